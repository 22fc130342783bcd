/** DEBUG PROTOCOL: an example of each kind of reply, so that clients can test how they read it. */
import { ascii } from "../../base/bytes.ts";
import type { CommandContext } from "../../commands/context.ts";
import type { ReplyWriter } from "../../resp/reply_writer.ts";

const BIG_NUMBER = "1234567999999999999999999999999999999";

const EXAMPLES: Readonly<Record<string, (reply: ReplyWriter) => void>> = {
  string: (reply) => reply.text("Hello World"),
  integer: (reply) => reply.integer(12345),
  double: (reply) => reply.double(3.141),
  bignum: (reply) => reply.protocol === 2 ? reply.text(BIG_NUMBER) : reply.raw(ascii(`(${BIG_NUMBER}\r\n`)),
  null: (reply) => reply.null(),
  array: (reply) => {
    reply.startArray(3);
    for (let i = 0; i < 3; i++) reply.integer(i);
  },
  set: (reply) => {
    reply.startSet(3);
    for (let i = 0; i < 3; i++) reply.integer(i);
  },
  map: (reply) => {
    reply.startMap(3);
    for (let i = 0; i < 3; i++) reply.integer(i), reply.boolean(i === 1);
  },
  attrib: replyWithAttribute,
  push: replyAfterPush,
  true: (reply) => reply.boolean(true),
  false: (reply) => reply.boolean(false),
  verbatim: (reply) => reply.verbatim("This is a verbatim\nstring"),
};

export function debugProtocol(ctx: CommandContext): void {
  const name = ctx.args.latin1(2).toLowerCase();
  if (Object.hasOwn(EXAMPLES, name)) return EXAMPLES[name](ctx.reply);
  ctx.reply.error(
    "Wrong protocol type name. Please use one of the following: " +
      "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
  );
}

/** Attributes exist in RESP3 only, and always come before a reply. */
function replyWithAttribute(reply: ReplyWriter): void {
  if (reply.protocol >= 3) {
    reply.raw(ascii("|1\r\n"));
    reply.text("key-popularity");
    reply.startArray(2);
    reply.text("key:123");
    reply.integer(90);
  }
  reply.text("Some real reply following the attribute");
}

function replyAfterPush(reply: ReplyWriter): void {
  if (reply.protocol < 3) return reply.error("RESP2 is not supported by this command");
  reply.startPush(2);
  reply.text("server-cpu-usage");
  reply.integer(42);
  reply.text("Some real reply following the push reply");
}
