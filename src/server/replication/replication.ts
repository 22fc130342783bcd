/**
 * Replication: which role this server has, and what follows from a change of roles.
 *
 * A master's stream is built from what its clients' commands change (`Propagator.stream`), whether there is an AOF or not, and only
 * while there is a replica or a backlog. A replica's stream is its master's. Both kinds may have replicas.
 * Invariants: on a replica no key expires by the clock: what has expired reads as missing until the master deletes it.
 */
import { encodeCommand } from "../../resp/encode_command.ts";
import type { Client } from "../client.ts";
import { randomHex, type Server } from "../server.ts";
import { DurabilityWaits } from "./durability_waits.ts";
import { DurableOffset } from "./durable_offset.ts";
import { LocalExpiries } from "./local_expiries.ts";
import { MasterLink } from "./master_link.ts";
import { Replicas } from "./replicas.ts";
import { ReplicationStream } from "./replication_stream.ts";

const ID_DIGITS = 40;
const FORCED_UNBLOCK = "UNBLOCKED force unblocked, instance state changed (master -> replica?)";

/** Where a saved data set is in a stream. */
export interface StreamPosition {
  readonly database: number;
  readonly id: string;
  readonly offset: number;
}

export class Replication {
  readonly stream: ReplicationStream;
  readonly replicas: Replicas;
  readonly localExpiries: LocalExpiries;
  readonly durabilityWaits: DurabilityWaits;
  /** Kept while a master is followed. */
  readonly durable: DurableOffset;
  /** The master that is followed; null for a master. */
  master: MasterLink | null = null;
  /** The database that a master's stream has selected. */
  streamDatabase = 0;
  /** The data is at the stream's offset, so that a master may be asked to go on from there. */
  mayContinue = true;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    this.stream = new ReplicationStream(server.settings, () => randomHex(server.randomness, ID_DIGITS));
    this.replicas = new Replicas(server, this.stream);
    this.localExpiries = new LocalExpiries(server);
    this.durabilityWaits = new DurabilityWaits(server);
    this.durable = new DurableOffset(() => server.persistence.aof);
  }

  get isReplica(): boolean {
    return this.master !== null;
  }

  /** A replica that is in step with its master. */
  get isLinkUp(): boolean {
    return this.master?.state === "connected";
  }

  // ---- roles ---------------------------------------------------------------------------------------------------

  /** The data has been loaded: follows the master that the configuration names. */
  start(): void {
    const [host, port] = this.#server.settings.replicaof.split(" ");
    if (port !== undefined) this.follow(host, Number(port));
  }

  /** REPLICAOF host port. */
  follow(host: string, port: number): void {
    const server = this.#server, wasMaster = !this.isReplica, before = this.master;
    this.master = new MasterLink(server, this, host, port);
    before?.close();
    server.blocking.endAll(FORCED_UNBLOCK);
    if (wasMaster) this.replicas.closeAll();
    server.config.assignFromLine("replicaof", [host, String(port)], false);
    this.roleChanged();
    this.master.connect();
  }

  /** REPLICAOF NO ONE: a new history that goes on from the master's. */
  unfollow(): void {
    const before = this.master, server = this.#server;
    if (before === null) return;
    this.master = null;
    before.close();
    this.stream.branch();
    this.replicas.closeAll();
    this.replicas.noneSince(server.nowMs());
    this.mayContinue = true;
    this.localExpiries.clear();
    server.config.assignFromLine("replicaof", ["no", "one"], false);
    server.persistence.restoreLog();
    this.roleChanged();
  }

  /** What depends on the role, and on whether there is a stream. */
  roleChanged(): void {
    const server = this.#server;
    server.propagator.stream = !this.isReplica && this.stream.isOpen ? this.stream : null;
    server.updateExpiry();
    server.updateGates();
  }

  /** DEBUG CHANGE-REPL-ID. */
  changeId(): void {
    this.stream.renew();
  }

  // ---- a master's data set -------------------------------------------------------------------------------------

  /** Puts the file in the place of all data. @throws {LoadFailedError | StorageError} (rejects), with no data left */
  async replaceDataSet(path: string, id: string, offset: number): Promise<void> {
    const server = this.#server;
    this.replicas.closeAll();
    this.mayContinue = false;
    this.localExpiries.clear();
    this.durable.forget();
    this.stream.close();
    this.stream.renew();
    this.streamDatabase = await server.persistence.replaceDataSet(path);
    this.stream.adopt(id, offset);
    this.mayContinue = true;
  }

  /** A dump has been loaded, at the start. */
  restore(position: StreamPosition | null): void {
    const isReplica = this.#server.settings.replicaof !== "";
    // Opened already, when keys had expired.
    if (position === null || this.stream.isOpen) return;
    this.stream.restore(position.id, position.offset, isReplica);
    this.streamDatabase = position.database;
    if (isReplica) return;
    this.stream.open();
    this.roleChanged();
  }

  /** A key of the dump is gone, which replicas that go on from there must learn. */
  expiredWhileRestoring(position: StreamPosition | null, database: number, key: Uint8Array): void {
    if (position === null) return;
    this.restore(position);
    const command = encodeCommand(["DEL", key]);
    this.stream.append(database, command, 0, command.length);
  }

  /** For the RDB files that are written; null when no history is kept. */
  get position(): StreamPosition | null {
    if (!this.stream.isOpen) return null;
    const database = this.isReplica ? this.master!.client?.db.index ?? this.streamDatabase : 0;
    return { database, id: this.stream.id, offset: this.stream.offset };
  }

  // ---- turns and time ------------------------------------------------------------------------------------------

  beforeReplies(): void {
    if (this.master !== null) this.master.beforeReplies();
    if (this.stream.isOpen) this.replicas.beforeReplies(!this.isReplica);
  }

  /** The log has been flushed, and synced where the policy says so at once. */
  afterLog(): void {
    this.durabilityWaits.serve();
    if (this.master === null) return;
    this.durable.advance(this.stream.offset);
    this.master.afterLog();
  }

  everySecond(nowMs: number): void {
    this.master?.everySecond(nowMs);
    this.replicas.everySecond(nowMs, !this.isReplica);
  }

  clientClosed(client: Client): void {
    if (client.isReplica) this.replicas.forget(client);
    if (client === this.master?.client) this.master.lost();
  }

  stop(): void {
    const master = this.master;
    this.master = null;
    master?.close();
  }
}
