/**
 * A replica as its master sees it: what it said of itself, how far it has come, and what it is sent next.
 *
 *   none ──SYNC, PSYNC──> waitingStart ──the save starts──> waitingEnd ──it ends──> sending ──> online (or transmitted: rdb-only)
 *     └──PSYNC that can be continued─────────────────────────────────────────────────────────────┘
 *
 * Invariants: from waitingEnd on `cursor` is set, at the very offset that the file was cut at, and what it points to is kept.
 */
import { ascii } from "../../base/bytes.ts";
import { StorageError } from "../../io/storage.ts";
import type { Client, OutputFeed } from "../client.ts";
import type { SavedContent } from "../persistence.ts";
import type { ReplicationStream, StreamCursor } from "./replication_stream.ts";
import type { SyncFile } from "./sync_file.ts";

/** What is sent at a time. */
const FILE_PIECE_BYTES = 128 * 1024, STREAM_PIECE_BYTES = 256 * 1024;

export type ReplicaState = "none" | "waitingStart" | "waitingEnd" | "sending" | "online" | "transmitted";

/** By state, as INFO says it. */
export const REPLICA_STATE_NAMES: Readonly<Record<ReplicaState, string>> = {
  none: "",
  waitingStart: "wait_bgsave",
  waitingEnd: "wait_bgsave",
  sending: "send_bulk",
  online: "online",
  transmitted: "rdb_transmitted",
};

export interface ReplicaHost {
  readonly stream: ReplicationStream;
  /** The file has been sent. */
  fileSent(replica: ReplicaLink): void;
  fileFailed(replica: ReplicaLink, reason: string): void;
  replicaBytesSent(bytes: number): void;
}

export class ReplicaLink implements OutputFeed {
  readonly client: Client;
  state: ReplicaState = "none";
  // What REPLCONF said.
  listeningPort = 0;
  address = "";
  knowsPsync2 = false;
  wantsOnlyRdb = false;
  wantedContent: SavedContent = { data: true, functions: true };
  /** It used SYNC: it acknowledges nothing, and gets no +FULLRESYNC. */
  isOld = false;
  ackOffset = 0;
  /** Up to where its log is durable, as it says; -1 while it says nothing. */
  durableOffset = -1;
  ackMs = 0;
  readonly #host: ReplicaHost;
  #cursor: StreamCursor | null = null;
  #file: SyncFile | null = null;
  #header: Uint8Array | null = null;
  #fileOffset = 0;
  #piece: Uint8Array | null = null;

  constructor(client: Client, host: ReplicaHost) {
    this.client = client, this.#host = host;
  }

  /** Where it says it can be reached, else where it comes from. */
  get ip(): string {
    return this.address !== "" ? this.address : this.client.connection.remoteAddress.replace(/:[0-9]*$/, "");
  }

  get name(): string {
    const { ip, listeningPort, client } = this;
    return listeningPort > 0 ? `${ip}:${listeningPort}` : `client id #${client.id}`;
  }

  /** Whether a file of this content is one for it. */
  wants({ data, functions }: SavedContent): boolean {
    return this.wantedContent.data === data && this.wantedContent.functions === functions;
  }

  get isWaitingForFile(): boolean {
    return this.state === "waitingStart" || this.state === "waitingEnd";
  }

  get cursor(): StreamCursor | null {
    return this.#cursor;
  }

  /** The stream from `cursor` on will be sent, once the file has been. */
  follow(cursor: StreamCursor): void {
    this.#cursor = { block: cursor.block, offset: cursor.offset };
  }

  /** Sends the file, then the stream. */
  sendFile(file: SyncFile): void {
    file.addUser();
    this.#file = file, this.#fileOffset = 0;
    this.#header = ascii(`$${file.sizeBytes}\r\n`);
    this.state = "sending";
  }

  /** The client is gone. */
  end(): void {
    this.state = "none";
    this.#cursor = null;
    this.#closeFile();
  }

  #closeFile(): void {
    this.#file?.removeUser();
    this.#file = this.#piece = null;
  }

  // ---- OutputFeed ----------------------------------------------------------------------------------------------

  get hasMore(): boolean {
    return this.state === "sending" || (this.state === "online" && this.pendingBytes > 0);
  }

  /** Of the stream; the file takes no memory. */
  get pendingBytes(): number {
    return this.#cursor === null || this.wantsOnlyRdb ? 0 : this.#host.stream.offset - this.#cursor.offset;
  }

  take(): Uint8Array | null {
    const bytes = this.state === "sending" ? this.#takeFile() : this.#takeStream();
    if (bytes !== null) this.#host.replicaBytesSent(bytes.length);
    return bytes;
  }

  #takeStream(): Uint8Array | null {
    return this.state === "online" ? this.#host.stream.take(this.#cursor!, STREAM_PIECE_BYTES) : null;
  }

  #takeFile(): Uint8Array | null {
    const header = this.#header, file = this.#file!;
    this.#header = null;
    if (header !== null) return header;
    if (this.#fileOffset < file.sizeBytes) {
      const bytes = this.#read(file);
      if (bytes !== null) return bytes;
    } else {
      this.#closeFile();
      this.#host.fileSent(this);
    }
    return null;
  }

  #read(file: SyncFile): Uint8Array | null {
    this.#piece ??= new Uint8Array(FILE_PIECE_BYTES);
    try {
      const length = file.read(this.#fileOffset, this.#piece);
      this.#fileOffset += length;
      if (length > 0) return this.#piece.subarray(0, length);
      this.#host.fileFailed(this, "premature EOF");
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#host.fileFailed(this, error.message);
    }
    return null;
  }
}
