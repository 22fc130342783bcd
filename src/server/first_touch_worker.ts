/** The thread that makes memory resident ahead of a load. Messages: first the control word, then each segment. */
import { workerScope } from "../io/worker_thread.ts";
import { FirstTouch } from "../memory/first_touch.ts";

let touch: FirstTouch | null = null;

workerScope().onMessage((message) => {
  const buffer = message as SharedArrayBuffer;
  if (touch === null) touch = new FirstTouch(buffer);
  else touch.addSegment(buffer), touch.run();
});
