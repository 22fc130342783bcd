/**
 * The replicas of this server, which may be a master or a replica itself: how they are brought up to date, and kept so.
 *
 * A full synchronization is a save by the child, begun between two commands. Its file is cut at the stream's offset of that moment; what
 * comes later waits in the stream. All replicas that ask while such a save runs share it, cut and file; who comes during an unrelated
 * save waits for its end. A file of its own is written and loses its name at once (repl-diskless-sync yes), or the dump is (no).
 * Invariants: the offset that +FULLRESYNC names is the cut of the file that follows it; a replica is sent nothing that the log does not
 * vouch for yet.
 */
import { ascii } from "../../base/bytes.ts";
import type { FileHandle } from "../../io/storage.ts";
import type { Client } from "../client.ts";
import type { SavedContent } from "../persistence.ts";
import type { Server } from "../server.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { ReplicaLink } from "./replica_link.ts";
import type { ReplicationStream, StreamCursor } from "./replication_stream.ts";
import { SyncFile } from "./sync_file.ts";

const PING = ascii("*1\r\n$4\r\nPING\r\n");
const GETACK = ascii("*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n");
const NEWLINE = ascii("\n");
const DASH = 0x2d;

export class Replicas {
  readonly stream: ReplicationStream;
  readonly acknowledgements: Acknowledgements;
  /** Those that have asked for synchronization and are still connected. */
  readonly all: Set<ReplicaLink> = new Set();
  /** Online replicas that were heard of in the last min-replicas-max-lag seconds. */
  goodCount = 0;
  readonly #server: Server;
  /** Cut of the running synchronization's file, and what is in it. */
  #cut: StreamCursor | null = null;
  #cutContent: SavedContent = { data: true, functions: true };
  /** Grows with every acknowledgement. */
  acknowledgedTimes = 0;
  #hasNewAcks = false;
  #noneSinceMs = 0;
  #seconds = 1;

  constructor(server: Server, stream: ReplicationStream) {
    this.#server = server, this.stream = stream;
    this.acknowledgements = new Acknowledgements(server, (offset) => this.countAcks(offset));
    this.#noneSinceMs = server.nowMs();
    stream.slowestOffset = () => this.#slowestOffset();
  }

  #slowestOffset(): number {
    let slowest = Infinity;
    for (const { cursor } of this.all) if (cursor !== null) slowest = Math.min(slowest, cursor.offset);
    return this.#cut === null ? slowest : Math.min(slowest, this.#cut.offset);
  }

  // ---- synchronization -----------------------------------------------------------------------------------------

  /** What REPLCONF says is kept before the client asks for anything. */
  linkOf(client: Client): ReplicaLink {
    const link = client.feed as ReplicaLink | null ?? new ReplicaLink(client, this);
    client.feed = link;
    return link;
  }

  /** PSYNC: goes on from `offset` of the history `id` if that is still there; false when it is not. */
  resume(link: ReplicaLink, id: string, offset: number): boolean {
    const { log, statistics } = this.#server, { stream } = this;
    const refusal = this.#refusalToResume(link, id, offset);
    if (refusal !== null) {
      log.notice(refusal);
      if (id !== "?") statistics.partialSyncsRefused++;
      return false;
    }
    statistics.partialSyncs++;
    link.follow(stream.cursorAt(offset - 1)!);
    this.#add(link);
    this.#putOnline(link);
    link.client.reply.status(link.knowsPsync2 ? `CONTINUE ${stream.id}` : "CONTINUE");
    log.notice(
      `Partial resynchronization request from ${link.name} accepted. Sending ${link.pendingBytes} bytes of backlog ` +
        `starting from offset ${offset}.`,
    );
    return true;
  }

  /** Why a replica cannot go on with the byte at `offset`, which counts from 1. */
  #refusalToResume(link: ReplicaLink, id: string, offset: number): string | null {
    const { stream } = this, asked = id.toLowerCase();
    const isOwn = asked === stream.id, isSecond = asked === stream.id2;
    if (asked === "?") return `Full resync requested by replica ${link.name}`;
    if (!isOwn && !isSecond) {
      return `Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '${id}', my replication IDs are ` +
        `'${stream.id}' and '${stream.id2}')`;
    }
    if (!isOwn && offset > stream.secondOffset) {
      return `Partial resynchronization not accepted: Requested offset for second ID was ${offset}, but I can reply up to ` +
        `${stream.secondOffset}`;
    }
    if (stream.cursorAt(offset - 1) !== null) return null;
    return `Unable to partial resync with replica ${link.name} for lack of backlog (Replica request was: ${offset}).`;
  }

  /** Sends everything: by the save that runs for other replicas, a new one, or one that starts as soon as it can. */
  synchronize(link: ReplicaLink): void {
    const { log, statistics, settings } = this.#server;
    statistics.fullSyncs++;
    if (settings.replDisableTcpNodelay) link.client.connection.setNoDelay(false);
    link.state = "waitingStart";
    this.#add(link);
    if (!this.stream.isOpen) this.#openStream();
    if (this.#cut !== null && link.wants(this.#cutContent)) {
      this.#attach(link, this.#cut);
      log.notice("Waiting for end of BGSAVE for SYNC");
    } else this.startWaiting();
  }

  #openStream(): void {
    const { stream } = this, server = this.#server;
    stream.renew();
    stream.open();
    server.replication.roleChanged();
    server.log.notice(
      `Replication backlog created, my new replication IDs are '${stream.id}' and '${stream.id2}'`,
    );
  }

  #attach(link: ReplicaLink, cut: StreamCursor): void {
    link.follow(cut);
    link.state = "waitingEnd";
    if (!link.isOld) link.client.reply.status(`FULLRESYNC ${this.stream.id} ${cut.offset}`);
    this.#server.queueFlush(link.client);
  }

  /** Begins a synchronization for those that wait for one, if the child is free. */
  startWaiting(): void {
    const server = this.#server, waiting = [...this.all].filter((link) => link.state === "waitingStart");
    if (waiting.length === 0 || this.#cut !== null) return;
    const content = waiting[0].wantedContent;
    if (!server.persistence.startReplicationSave(content, (file, error) => this.#saveEnded(file, error))) {
      return server.log.notice(
        "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed",
      );
    }
    const target = server.settings.replDisklessSync ? "replicas" : "disk";
    server.log.notice(`Starting BGSAVE for SYNC with target: ${target}`);
    this.stream.reselect();
    this.#cut = this.stream.cursorAt(this.stream.offset)!;
    this.#cutContent = content;
    for (const link of waiting) if (link.wants(content)) this.#attach(link, this.#cut);
  }

  #saveEnded(file: FileHandle | null, error: string): void {
    const server = this.#server, waiting = [...this.all].filter((link) => link.state === "waitingEnd");
    this.#cut = null;
    if (file === null) {
      for (const link of waiting) {
        server.log.warning(`SYNC with replica ${link.name} failed. BGSAVE child returned an error: ${error}`);
        link.client.close();
      }
      return;
    }
    const syncFile = new SyncFile(server.storage, file);
    for (const link of waiting) {
      link.sendFile(syncFile);
      server.queueFlush(link.client);
    }
    if (waiting.length === 0) syncFile.close();
  }

  // ---- ReplicaHost ---------------------------------------------------------------------------------------------

  fileSent(link: ReplicaLink): void {
    const { log } = this.#server;
    if (!link.wantsOnlyRdb) {
      this.#putOnline(link);
      this.#server.network.requestTurnEnd();
      return log.notice(`Synchronization with replica ${link.name} succeeded`);
    }
    link.state = "transmitted";
    log.notice(`RDB transfer completed, rdb only replica (${link.name}) should be disconnected asap`);
    link.client.closeAfterReply = true;
    this.#server.queueFlush(link.client);
  }

  fileFailed(link: ReplicaLink, reason: string): void {
    this.#server.log.warning(`Read error sending DB to replica: ${reason}`);
    link.client.close();
  }

  replicaBytesSent(bytes: number): void {
    this.#server.statistics.replicationOutputBytes += bytes;
  }

  #putOnline(link: ReplicaLink): void {
    link.state = "online";
    link.ackMs = this.#server.nowMs();
    this.countGood();
  }

  /** A replica has asked for something that has a reply (from `start` on), which would end up in the middle of its stream: it is let go. */
  replied(client: Client, start: number): void {
    const { log } = this.#server, command = client.lastCommand!.fullName;
    // The command that made it a replica.
    if (command === "sync" || command === "psync") return;
    if (client.reply.buffer[start] === DASH) {
      log.warning(
        `== CRITICAL == This master is sending an error to its replica: '${client.reply.lastError}' after processing the ` +
          `command '${command}'`,
      );
    }
    log.warning(
      `Replica generated a reply to command '${command}', disconnecting it: ${this.#server.describe(client)}`,
    );
    client.close();
  }

  // ---- who is there --------------------------------------------------------------------------------------------

  #add(link: ReplicaLink): void {
    this.all.add(link);
    link.client.isReplica = true;
    this.#server.clientMemory.limitOutput(link.client);
    this.#server.updateGates();
  }

  /** A client has gone. */
  forget(client: Client): void {
    const link = client.feed as ReplicaLink | null;
    if (link === null || !this.all.delete(link)) return;
    const server = this.#server;
    if (link.state === "online") server.log.warning(`Connection with replica ${link.name} lost.`);
    link.end();
    if (this.all.size === 0) this.#noneSinceMs = server.nowMs();
    if (this.#cut !== null && ![...this.all].some((other) => other.state === "waitingEnd")) this.#callOff();
    this.stream.trim();
    this.countGood();
    server.updateGates();
  }

  /** Nobody waits for the running save any more; but a dump that is wanted anyway goes on. */
  #callOff(): void {
    if (this.#server.persistence.callOffReplicationSave()) this.#cut = null;
  }

  /** Lets all replicas go: they come back, and find out about the new history. */
  closeAll(): void {
    for (const link of [...this.all]) link.client.close();
  }

  /** The time to live of the backlog starts now. */
  noneSince(nowMs: number): void {
    this.#noneSinceMs = nowMs;
  }

  countGood(): void {
    const { settings } = this.#server, nowMs = this.#server.nowMs();
    let good = 0;
    for (const link of this.all) {
      const lagSeconds = Math.floor((nowMs - link.ackMs) / 1000);
      if (link.state === "online" && lagSeconds <= settings.minReplicasMaxLagSeconds) good++;
    }
    this.goodCount = good;
  }

  /** False when min-replicas-to-write forbids writes. */
  get areEnough(): boolean {
    const { minReplicasToWrite, minReplicasMaxLagSeconds } = this.#server.settings;
    return minReplicasToWrite === 0 || minReplicasMaxLagSeconds === 0 || this.goodCount >= minReplicasToWrite;
  }

  // ---- acknowledgements ----------------------------------------------------------------------------------------

  countAcks(offset: number): number {
    let count = 0;
    for (const link of this.all) if (link.state === "online" && link.ackOffset >= offset) count++;
    return count;
  }

  /** Those whose logs hold it durably, as far as they have said. */
  countDurableAcks(offset: number): number {
    let count = 0;
    for (const link of this.all) if (link.state === "online" && link.durableOffset >= offset) count++;
    return count;
  }

  /** Whether each has acknowledged all of the stream. */
  get areInStep(): boolean {
    for (const { ackOffset } of this.all) if (ackOffset !== this.stream.offset) return false;
    return true;
  }

  /** `durableOffset`: -1 when it says nothing of it. */
  acknowledged(link: ReplicaLink, offset: number, durableOffset: number): void {
    link.ackOffset = Math.max(link.ackOffset, offset);
    link.durableOffset = Math.max(link.durableOffset, durableOffset);
    this.acknowledgedTimes++;
    link.ackMs = this.#server.nowMs();
    this.#hasNewAcks = true;
  }

  // ---- turns and time ------------------------------------------------------------------------------------------

  /** Near the end of a turn: lets go who waited for acknowledgements, asks for more, and has replicas sent what is new. */
  beforeReplies(isMaster: boolean): void {
    if (this.#hasNewAcks) this.#hasNewAcks = false, this.acknowledgements.serve();
    if (this.acknowledgements.takeAsking() && isMaster && this.stream.isOpen) this.stream.appendAnywhere(GETACK);
    const server = this.#server;
    for (const { client, state, pendingBytes } of this.all) {
      if (state !== "online" || pendingBytes === 0 || client.writing) continue;
      client.logPosition = server.logPosition();
      server.queueFlush(client);
    }
  }

  everySecond(nowMs: number, isMaster: boolean): void {
    const isPingDue = this.#seconds++ % this.#server.settings.replPingReplicaPeriodSeconds === 0;
    if (isMaster && isPingDue && this.all.size > 0) this.stream.appendAnywhere(PING);
    for (const link of [...this.all]) this.#visit(link, nowMs);
    if (isMaster) this.#closeIdleStream(nowMs);
    this.startWaiting();
    this.countGood();
  }

  /** A newline, which means nothing, tells a replica that waits for its file that its master is there. */
  #visit(link: ReplicaLink, nowMs: number): void {
    const server = this.#server, timeoutMs = server.settings.replTimeoutSeconds * 1000;
    if (link.isWaitingForFile) {
      link.client.reply.raw(NEWLINE);
      server.queueFlush(link.client);
    } else if (link.state === "online" && !link.isOld && nowMs - link.ackMs > timeoutMs) {
      server.log.warning(`Disconnecting timedout replica (streaming sync): ${link.name}`);
      link.client.close();
    }
  }

  /** repl-backlog-ttl. Without a backlog the offset stands still, so the history must not be mistaken for this one. */
  #closeIdleStream(nowMs: number): void {
    const server = this.#server, ttlSeconds = server.settings.replBacklogTtlSeconds;
    if (this.all.size > 0 || ttlSeconds === 0 || !this.stream.isOpen) return;
    if (nowMs - this.#noneSinceMs <= ttlSeconds * 1000) return;
    this.stream.renew();
    this.stream.close();
    server.replication.roleChanged();
    server.log.notice(`Replication backlog freed after ${ttlSeconds} seconds without connected replicas.`);
  }

  // ---- memory --------------------------------------------------------------------------------------------------

  /** What the stream keeps, for the backlog and for replicas that are slower. */
  get keptBytes(): number {
    return this.stream.offset - this.stream.backlogOffset;
  }

  /** What the connections of replicas take, besides the stream. */
  get clientBytes(): number {
    let bytes = 0;
    for (const { client } of this.all) bytes += client.countedBytes;
    return bytes;
  }

  /** The part of it that is more than the backlog should be, for the sake of replicas. */
  get surplusBytes(): number {
    return this.all.size === 0 ? 0 : Math.max(0, this.keptBytes - this.stream.backlogBytesMax);
  }
}
