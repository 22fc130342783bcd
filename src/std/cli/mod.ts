/** Stand-in for jsr:@std/cli: what this project uses, with the same signatures and behaviour. */
export { parseArgs, type ParseOptions } from "./parse_args.ts";
