/** CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: help for clients that keep copies of keys. */
import { rangesEqual } from "../../base/bytes.ts";
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import type { Client } from "../client.ts";
import type { Server } from "../server.ts";
import type { ClientTracking, TrackingOptions } from "../tracking.ts";

interface Request {
  readonly options: TrackingOptions;
  readonly prefixes: readonly Uint8Array[];
}

export function trackingCommands(server: Server): Handlers {
  const clientOf = (ctx: CommandContext) => ctx.client as Client;

  function tracking(ctx: CommandContext): void {
    const { args } = ctx, client = clientOf(ctx), request = parseRequest(ctx);
    if (request === null) return;
    if (args.equalsIgnoreCase(2, "on")) {
      const refusal = incompatible(request, client.tracking) ?? collision(request.prefixes, client.tracking);
      if (refusal !== null) return ctx.reply.error(refusal);
      server.tracking.enable(client, request.options, request.prefixes);
    } else if (args.equalsIgnoreCase(2, "off")) server.tracking.disable(client);
    else return ctx.reply.error(ERROR.syntax);
    ctx.reply.ok();
  }

  /** Null with the error replied. */
  function parseRequest(ctx: CommandContext): Request | null {
    const { args, reply } = ctx, prefixes: Uint8Array[] = [];
    const options = { redirect: 0, broadcasts: false, optIn: false, optOut: false, noLoop: false };
    for (let i = 3; i < args.count; i++) {
      const hasNext = i + 1 < args.count;
      if (hasNext && args.equalsIgnoreCase(i, "redirect")) {
        if (options.redirect !== 0) return reply.error("A client can only redirect to a single other client"), null;
        options.redirect = ctx.wideInteger(++i);
        if (Number.isNaN(options.redirect)) return null;
        if (!server.clients.has(options.redirect)) {
          return reply.error("The client ID you want redirect to does not exist"), null;
        }
      } else if (hasNext && args.equalsIgnoreCase(i, "prefix")) prefixes.push(args.slice(++i));
      else if (args.equalsIgnoreCase(i, "bcast")) options.broadcasts = true;
      else if (args.equalsIgnoreCase(i, "optin")) options.optIn = true;
      else if (args.equalsIgnoreCase(i, "optout")) options.optOut = true;
      else if (args.equalsIgnoreCase(i, "noloop")) options.noLoop = true;
      else return reply.error(ERROR.syntax), null;
    }
    return { options, prefixes };
  }

  function caching(ctx: CommandContext): void {
    const { args, reply } = ctx, { tracking } = clientOf(ctx);
    if (tracking === null) {
      return reply.error(
        "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
      );
    }
    const isYes = args.equalsIgnoreCase(2, "yes");
    if (!isYes && !args.equalsIgnoreCase(2, "no")) return reply.error(ERROR.syntax);
    if (isYes && !tracking.options.optIn) {
      return reply.error("CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    }
    if (!isYes && !tracking.options.optOut) {
      return reply.error("CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    }
    tracking.caching = true;
    reply.ok();
  }

  function trackinginfo(ctx: CommandContext): void {
    const { reply } = ctx, { tracking } = clientOf(ctx), flags = flagsOf(tracking);
    reply.startMap(3);
    reply.text("flags"), reply.startSet(flags.length);
    for (const flag of flags) reply.text(flag);
    reply.text("redirect"), reply.integer(tracking?.options.redirect ?? -1);
    const prefixes = tracking?.prefixes ?? [];
    reply.text("prefixes"), reply.startArray(prefixes.length);
    for (const { bytes } of prefixes) reply.bytes(bytes);
  }

  return {
    "client|tracking": tracking,
    "client|caching": caching,
    "client|trackinginfo": trackinginfo,
    "client|getredir": (ctx) => ctx.reply.integer(clientOf(ctx).tracking?.options.redirect ?? -1),
  };
}

function flagsOf(tracking: ClientTracking | null): string[] {
  if (tracking === null) return ["off"];
  const { options: { broadcasts, optIn, optOut, noLoop }, caching, isRedirectBroken } = tracking, flags = ["on"];
  if (broadcasts) flags.push("bcast");
  if (optIn) flags.push("optin");
  if (optIn && caching) flags.push("caching-yes");
  if (optOut) flags.push("optout");
  if (optOut && caching) flags.push("caching-no");
  if (noLoop) flags.push("noloop");
  if (isRedirectBroken) flags.push("broken_redirect");
  return flags;
}

/** Why these options do not go together, or with those that are in force; null when they do. */
function incompatible({ options, prefixes }: Request, before: ClientTracking | null): string | null {
  const { broadcasts, optIn, optOut } = options, old = before?.options;
  if (!broadcasts && prefixes.length > 0) return "PREFIX option requires BCAST mode to be enabled";
  if (old !== undefined && old.broadcasts !== broadcasts) return cannotSwitch("BCAST mode on/off");
  if (broadcasts && (optIn || optOut)) return "OPTIN and OPTOUT are not compatible with BCAST";
  if (optIn && optOut) return "You can't specify both OPTIN mode and OPTOUT mode";
  return (optIn && old?.optOut) || (optOut && old?.optIn) ? cannotSwitch("OPTIN/OPTOUT mode") : null;
}

function cannotSwitch(what: string): string {
  return `You can't switch ${what} before disabling tracking for this client, and then re-enabling it with a different mode.`;
}

/** Why a key could be told of twice, under two prefixes of one client; null when it could not. */
function collision(prefixes: readonly Uint8Array[], before: ClientTracking | null): string | null {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const rule = "Prefixes for a single client must not overlap.";
  for (const [i, prefix] of prefixes.entries()) {
    const old = before?.prefixes.find(({ bytes }) => overlap(bytes, prefix));
    if (old !== undefined) {
      return `Prefix '${text(prefix)}' overlaps with an existing prefix '${text(old.bytes)}'. ${rule}`;
    }
    const other = prefixes.slice(i + 1).find((one) => overlap(one, prefix));
    if (other !== undefined) {
      return `Prefix '${text(prefix)}' overlaps with another provided prefix '${text(other)}'. ${rule}`;
    }
  }
  return null;
}

function overlap(a: Uint8Array, b: Uint8Array): boolean {
  return rangesEqual(a, 0, b, 0, Math.min(a.length, b.length));
}
