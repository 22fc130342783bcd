/** Threads: a module Worker from outside and from inside. Nothing else names `Worker` or `self`. */

export interface WorkerHandle {
  /** Structured clone; shared buffers are shared. */
  post(message: unknown): void;
  terminate(): void;
}

/** Starts a module Worker. `onError` gets what the module threw. */
export function startWorker(
  module: URL,
  onMessage: (message: unknown) => void,
  onError: (text: string) => void,
): WorkerHandle {
  const worker = new Worker(module, { type: "module" });
  worker.onmessage = (event) => onMessage(event.data);
  worker.onerror = (event) => {
    event.preventDefault();
    onError(event.message);
  };
  return { post: (message) => worker.postMessage(message), terminate: () => worker.terminate() };
}

export interface WorkerScope {
  post(message: unknown): void;
  onMessage(handler: (message: unknown) => void): void;
}

/** The other end, for the module that runs in the Worker. */
export function workerScope(): WorkerScope {
  const scope = globalThis as unknown as {
    postMessage(m: unknown): void;
    onmessage: ((event: MessageEvent) => void) | null;
  };
  return {
    post: (message) => scope.postMessage(message),
    onMessage: (handler) => {
      scope.onmessage = (event) => handler(event.data);
    },
  };
}
