import { assert, assertEquals } from "@std/assert";
import { afterSockets, cancelAfterSockets } from "./socket_turn.ts";

Deno.test("afterSockets: bytes that have come are read before the call, however busy the loop; calls keep their order", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [near, far] = await Promise.all([Deno.connect({ port: listener.addr.port }), listener.accept()]);
  const order: string[] = [];
  try {
    for (let round = 0; round < 5; round++) {
      const reading = near.read(new Uint8Array(8)).then(() => order.push(`read ${round}`));
      await far.write(new Uint8Array(1));
      await new Promise<void>((resolve) => {
        afterSockets(() => order.push(`first ${round}`));
        cancelAfterSockets(afterSockets(() => order.push("cancelled")));
        afterSockets(resolve);
      });
      await reading;
    }
  } finally {
    near.close(), far.close(), listener.close();
  }
  assertEquals(order, Array.from({ length: 5 }, (_, round) => [`read ${round}`, `first ${round}`]).flat());
});

Deno.test("afterSockets: never from inside the asking, and a call may ask again", async () => {
  let inside = true, calls = 0;
  await new Promise<void>((resolve) => {
    const again = () => {
      assert(!inside);
      if (++calls === 3) return resolve();
      inside = true;
      afterSockets(again);
      inside = false;
    };
    afterSockets(again);
    inside = false;
  });
  assertEquals(calls, 3);
});
