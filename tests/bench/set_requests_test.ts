import { assertEquals, assertNotEquals } from "@std/assert";
import { SetRequests } from "./set_requests.ts";

function requestText(requests: SetRequests, keyNumber: number): string {
  const buffer = new Uint8Array(requests.requestBytes);
  assertEquals(requests.write(buffer, 0, keyNumber), buffer.length);
  return new TextDecoder().decode(buffer);
}

Deno.test("SetRequests: a well-formed SET of the key's number and the value's size", () => {
  const text = requestText(new SetRequests(5), 1234);
  assertEquals(/^\*3\r\n\$3\r\nSET\r\n\$16\r\nkey:000000001234\r\n\$5\r\n[\w-]{5}\r\n$/.test(text), true, text);
});

Deno.test("SetRequests: the same key and seed give the same bytes, another key other bytes", () => {
  assertEquals(requestText(new SetRequests(32), 9), requestText(new SetRequests(32), 9));
  assertNotEquals(requestText(new SetRequests(32), 9).slice(50), requestText(new SetRequests(32), 10).slice(50));
});

Deno.test("SetRequests: a buffer used before leaves no digits behind", () => {
  const requests = new SetRequests(1);
  const buffer = new Uint8Array(requests.requestBytes);
  requests.write(buffer, 0, 999_999);
  requests.write(buffer, 0, 7);
  assertEquals(new TextDecoder().decode(buffer).includes("key:000000000007\r\n"), true);
});
