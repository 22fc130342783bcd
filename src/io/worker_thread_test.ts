import { assert, assertEquals } from "@std/assert";
import { startWorker } from "./worker_thread.ts";

/** A module that runs `body` with the Worker's side of this file in scope. */
function moduleOf(body: string): URL {
  const source = `import { workerScope } from ${JSON.stringify(new URL("./worker_thread.ts", import.meta.url).href)};
    const scope = workerScope();
    ${body}`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

Deno.test("a Worker answers messages, and shared memory is shared with it", async () => {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const answer = await new Promise((resolve, reject) => {
    const worker = startWorker(
      moduleOf("scope.onMessage((shared) => { Atomics.store(shared, 0, 42); scope.post('done'); });"),
      (message) => {
        worker.terminate();
        resolve(message);
      },
      reject,
    );
    worker.post(shared);
  });
  assertEquals(answer, "done");
  assertEquals(Atomics.load(shared, 0), 42);
});

Deno.test("what a Worker throws is told to its owner, and does not stop the process", async () => {
  const text = await new Promise<string>((resolve) => {
    const worker = startWorker(
      moduleOf("scope.onMessage(() => { throw new Error('a bug in the Worker'); });"),
      () => {},
      (error) => {
        worker.terminate();
        resolve(error);
      },
    );
    worker.post(null);
  });
  assert(text.includes("a bug in the Worker"), text);
});
