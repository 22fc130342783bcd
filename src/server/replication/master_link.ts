/**
 * The link of a replica to its master.
 *
 *   connect ──> connecting ──> handshake ──+CONTINUE──────────────> connected
 *      ^                           └──+FULLRESYNC──> sync (receive, load) ──┘        whatever fails leads back to connect
 *
 * What is applied is applied as a client of this server, `client`, whose replies go nowhere; the stream it reads becomes this server's
 * own stream as it is, so that its replicas and it share one history. `applied` is the only place where the stream's offset moves then.
 * Invariants: the offset covers whole commands, and whole transactions; the old data goes only when the new file is here and durable; a
 * history is asked to be continued only while the data is at its offset.
 */
import { ascii, latin1Encode } from "../../base/bytes.ts";
import { ConnectError } from "../../io/network.ts";
import { StorageError } from "../../io/storage.ts";
import { encodeCommand } from "../../resp/encode_command.ts";
import type { Client } from "../client.ts";
import { LoadFailedError } from "../loading.ts";
import type { Server } from "../server.ts";
import { MasterConnection, MasterLinkError } from "./master_connection.ts";
import { RdbReceiver } from "./rdb_receiver.ts";
import type { Replication } from "./replication.ts";

export type MasterState = "connect" | "connecting" | "handshake" | "sync" | "connected";

const NEWLINE = ascii("\n");
const NOTHING_OWED = -1;
const FULL_SYNC = /^\+FULLRESYNC ([0-9a-f]{40}) ([0-9]+)$/i;
const CONTINUE = /^\+CONTINUE(?: ([0-9a-f]{40}))?$/i;
/** Replies of a master that will be able to answer later. */
const NOT_NOW = /^-(NOMASTERLINK|LOADING)/;
/** A master that asks for a password still answers. */
const PING_REFUSED = /^-(NOAUTH|NOPERM|ERR operation not permitted)/;

export class MasterLink {
  readonly host: string;
  readonly port: number;
  state: MasterState = "connect";
  /** Applies what the master sends, while connected. */
  client: Client | null = null;
  receiver: RdbReceiver | null = null;
  lastIoMs: number;
  /** Since when the link is down; 0 when it was never up. */
  downSinceMs = 0;
  readonly #server: Server;
  readonly #replication: Replication;
  #connection: MasterConnection | null = null;
  /** Bytes of the stream that have come, applied or not: as `offset` counts. */
  #receivedOffset = 0;
  #isLoading = false;
  #ackIsAsked = false;
  /** The master waits to hear that this is durable. */
  #owedOffset = NOTHING_OWED;

  constructor(server: Server, replication: Replication, host: string, port: number) {
    this.#server = server, this.#replication = replication;
    this.host = host, this.port = port;
    this.lastIoMs = server.nowMs();
  }

  /** Bytes of the stream that have come, applied or not. */
  get receivedOffset(): number {
    return this.client === null ? this.#replication.stream.offset : this.#receivedOffset;
  }

  // ---- connecting ----------------------------------------------------------------------------------------------

  connect(): void {
    const { log, network } = this.#server;
    log.notice(`Connecting to MASTER ${this.host}:${this.port}`);
    this.state = "connecting";
    this.#heard();
    log.notice("MASTER <-> REPLICA sync started");
    network.connectTcp(this.host, this.port).then((connection) => {
      if (this.state !== "connecting" || this.#connection !== null || !this.isCurrent) return connection.close();
      void this.#synchronize(
        this.#connection = new MasterConnection(connection, {
          masterSpoke: (bytes) => this.#masterSpoke(bytes),
          streamReceived: (bytes, start, end) => this.#streamReceived(bytes, start, end),
        }),
      );
    }, (error) => {
      if (!(error instanceof ConnectError)) throw error;
      if (this.state !== "connecting" || this.#connection !== null || !this.isCurrent) return;
      log.warning(`Error condition on socket for SYNC: ${error.message}`);
      this.state = "connect";
    });
  }

  /** Whether this is still the master that is followed. */
  get isCurrent(): boolean {
    return this.#replication.master === this && !this.#server.isStopped;
  }

  async #synchronize(connection: MasterConnection): Promise<void> {
    const { log } = this.#server;
    this.state = "handshake";
    log.notice("Non blocking connect for SYNC fired the event.");
    try {
      await this.#introduce(connection);
      await this.#askForStream(connection);
    } catch (error) {
      const isKnown = error instanceof MasterLinkError || error instanceof StorageError ||
        error instanceof LoadFailedError;
      if (!isKnown) throw error;
      if (this.#connection !== connection) return;
      log.warning(`MASTER <-> REPLICA sync failed: ${error.message}`);
      this.#disconnect();
    }
  }

  async #introduce(connection: MasterConnection): Promise<void> {
    const { log, settings, port } = this.#server, { masterauth, masteruser } = settings;
    const pong = await connection.ask("PING");
    if (!pong.startsWith("+") && !PING_REFUSED.test(pong)) {
      throw new MasterLinkError(`Error reply to PING from master: '${pong}'`);
    }
    log.notice("Master replied to PING, replication can continue...");
    if (masterauth.length > 0) {
      const reply = await connection.ask("AUTH", ...(masteruser === "" ? [] : [latin1Encode(masteruser)]), masterauth);
      if (reply.startsWith("-")) throw new MasterLinkError(`Unable to AUTH to MASTER: ${reply}`);
    }
    await this.#tell(connection, "listening-port", String(settings.replicaAnnouncePort || port));
    if (settings.replicaAnnounceIp !== "") await this.#tell(connection, "ip-address", settings.replicaAnnounceIp);
    await this.#tell(connection, "capa", "eof", "capa", "psync2");
  }

  /** REPLCONF: what a master does not understand does no harm. */
  async #tell(connection: MasterConnection, ...words: string[]): Promise<void> {
    const reply = await connection.ask("REPLCONF", ...words);
    if (!reply.startsWith("-")) return;
    this.#server.log.notice(`(Non critical) Master does not understand REPLCONF ${words[0]}: ${reply}`);
  }

  async #askForStream(connection: MasterConnection): Promise<void> {
    const { log } = this.#server, replication = this.#replication, { stream } = replication;
    const [id, offset] = replication.mayContinue ? [stream.id, stream.offset + 1] : ["?", -1];
    log.notice(
      replication.mayContinue
        ? `Trying a partial resynchronization (request ${id}:${offset}).`
        : "Partial resynchronization not possible (no cached master)",
    );
    const reply = await connection.ask("PSYNC", id, String(offset));
    const fullSync = FULL_SYNC.exec(reply), goesOn = CONTINUE.exec(reply);
    if (goesOn !== null) return this.#continue(connection, goesOn[1]?.toLowerCase() ?? stream.id);
    if (fullSync !== null) return await this.#takeOver(connection, fullSync[1].toLowerCase(), Number(fullSync[2]));
    throw new MasterLinkError(
      NOT_NOW.test(reply)
        ? `Master is currently unable to PSYNC but should be in the future: ${reply}`
        : `Unexpected reply to PSYNC from master: ${reply}`,
    );
  }

  // ---- the two ways to the stream ------------------------------------------------------------------------------

  #continue(connection: MasterConnection, id: string): void {
    const { log } = this.#server, replication = this.#replication, { stream } = replication;
    log.notice("Successful partial resynchronization with master.");
    if (id !== stream.id) {
      log.warning(`Master replication ID changed to ${id}`);
      stream.branch(id);
      // They learn of the new id when they come back.
      replication.replicas.closeAll();
    }
    stream.open();
    log.notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
    this.#follow(connection);
  }

  async #takeOver(connection: MasterConnection, id: string, offset: number): Promise<void> {
    const server = this.#server, replication = this.#replication, { log } = server;
    this.state = "sync";
    log.notice(`Full resync from master: ${id}:${offset}`);
    const header = await connection.line();
    if (!RdbReceiver.isHeader(header)) {
      throw new MasterLinkError(`Bad protocol from MASTER, the first byte is not '$' (we received '${header}')`);
    }
    const receiver = this.receiver = new RdbReceiver(server.storage, server.persistence.receivedPath, header);
    log.notice(
      receiver.endsWithMark
        ? "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to disk"
        : `MASTER <-> REPLICA sync: receiving ${receiver.totalBytes} bytes from master to disk`,
    );
    await this.#receive(connection, receiver);
    if (!this.isCurrent) return connection.close();
    this.#isLoading = true;
    try {
      await replication.replaceDataSet(receiver.path, id, offset);
    } finally {
      this.#isLoading = false;
    }
    if (!this.isCurrent || connection.isClosed) return this.#disconnect();
    log.notice("MASTER <-> REPLICA sync: Finished with success");
    this.#follow(connection);
    this.acknowledge();
  }

  async #receive(connection: MasterConnection, receiver: RdbReceiver): Promise<void> {
    try {
      await connection.receive(receiver);
      await receiver.finish();
    } catch (error) {
      receiver.abandon();
      throw error;
    } finally {
      this.receiver = null;
    }
  }

  #follow(connection: MasterConnection): void {
    const server = this.#server, replication = this.#replication, client = server.addClient(connection.connection);
    client.isMaster = true;
    server.adoptMaster(client, replication.streamDatabase);
    this.#receivedOffset = replication.stream.offset;
    this.client = client;
    this.state = "connected";
    this.#heard();
    server.updateGates();
    connection.handTo(client);
  }

  // ---- the stream ----------------------------------------------------------------------------------------------

  #heard(): void {
    this.lastIoMs = this.#server.nowMs();
  }

  #masterSpoke(bytes: number): void {
    this.#heard();
    this.#server.statistics.replicationInputBytes += bytes;
  }

  #streamReceived(bytes: Uint8Array, start: number, end: number): void {
    this.#receivedOffset += end - start;
    this.#replication.stream.receive(bytes, start, end);
  }

  /** The client has run what it could: moves the offset behind what is applied, unless a transaction has only begun. */
  applied(): void {
    const client = this.client;
    if (client === null || client.queue !== null) return;
    const { parser } = client, heldBytes = client.postponed ? parser.args.rawEnd - parser.args.rawStart : 0;
    const unparsedBytes = parser.isMidRequest ? parser.usedBytes : 0;
    this.#replication.stream.publish(this.#receivedOffset - unparsedBytes - heldBytes);
  }

  /** REPLCONF GETACK: answers at the end of the turn. */
  askAcknowledgement(): void {
    this.#ackIsAsked = true;
    this.#owedOffset = this.#replication.stream.offset;
  }

  beforeReplies(): void {
    if (this.#ackIsAsked) this.acknowledge();
  }

  /** What the master asked for has become durable meanwhile: it is told so. */
  afterLog(): void {
    if (this.#owedOffset < 0 || this.#replication.durable.offset < this.#owedOffset) return;
    this.#owedOffset = NOTHING_OWED;
    this.acknowledge();
  }

  /** ACK: what has been applied. FACK, of Redis 7.2: what the log here holds durably. */
  acknowledge(): void {
    const { client } = this, { stream, durable } = this.#replication;
    this.#ackIsAsked = false;
    if (client === null) return;
    const words = ["REPLCONF", "ACK", stream.offset];
    if (durable.offset >= 0) words.push("FACK", durable.offset);
    client.reply.raw(encodeCommand(words));
    this.#server.queueFlush(client);
  }

  // ---- the end -------------------------------------------------------------------------------------------------

  /** The client has been closed, by the master or by somebody here. */
  lost(): void {
    const client = this.client;
    if (client === null) return;
    this.#replication.streamDatabase = client.db.index;
    this.client = null, this.#connection = null;
    this.#replication.stream.rewind();
    this.downSinceMs = this.#server.nowMs();
    this.state = "connect";
    this.#server.log.warning("Connection with master lost.");
    this.#server.updateGates();
    if (this.isCurrent) this.connect();
  }

  /** Back to the start: the next try is the cron's. */
  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.state = "connect";
    connection?.close();
  }

  /** Nobody follows this master any more. */
  close(): void {
    if (this.client === null) return this.#disconnect();
    this.client.close();
    this.lost();
  }

  everySecond(nowMs: number): void {
    const { settings, log } = this.#server, isSilent = nowMs - this.lastIoMs > settings.replTimeoutSeconds * 1000;
    // The master must not take a long load for a dead replica.
    if (this.#isLoading) return this.#connection?.send(NEWLINE);
    if (this.state === "connected") {
      this.acknowledge();
      if (!isSilent) return;
      log.warning("MASTER timeout: no data nor PING received...");
      return this.client!.close();
    }
    if (this.state === "connect") return this.connect();
    if (!isSilent) return;
    log.warning(
      this.state === "sync"
        ? "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in " +
          "redis.conf to a larger value."
        : "Timeout connecting to the MASTER...",
    );
    this.#disconnect();
  }
}
