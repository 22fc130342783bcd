/**
 * Wildcards of configuration: names in CONFIG GET (Redis's glob, any case) and paths in `include` (the shell's glob).
 * Invariant: matching costs at most pattern × text steps, however many stars a client sends.
 * Names go through the matcher that keys have; the shell's rules for paths are another language.
 */
import { latin1Encode } from "../../base/bytes.ts";
import { globMatch } from "../../base/glob.ts";

/** One place of a pattern: any run of characters, or one character of a set. */
type Token = "star" | { readonly ranges: readonly (readonly [string, string])[]; readonly isNegated: boolean };

const ANY_CHARACTER: Token = { ranges: [], isNegated: true };

/** Redis's glob with * ? [a-z] [^a] and backslash, in any case. */
export function matchesPattern(pattern: string, text: string): boolean {
  const bytes = latin1Encode(pattern), name = latin1Encode(text);
  return globMatch(bytes, 0, bytes.length, name, 0, name.length, true);
}

export function isPathPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/**
 * Existing paths that match an absolute pattern, sorted. A name that starts with a dot is matched only by a dot.
 * @param listDirectory names in a directory, none when it cannot be read
 */
export function expandPathPattern(pattern: string, listDirectory: (path: string) => readonly string[]): string[] {
  const parts = pattern.split("/");
  const firstPattern = parts.findIndex(isPathPattern);
  let paths = [parts.slice(0, firstPattern).join("/")];
  for (const part of parts.slice(firstPattern)) {
    const tokens = tokensOf(part);
    const isWanted = (name: string) => name.startsWith(".") === part.startsWith(".") && matchesTokens(tokens, name);
    paths = paths.flatMap((path) =>
      listDirectory(path === "" ? "/" : path).filter(isWanted).sort().map((name) => `${path}/${name}`)
    );
  }
  return paths;
}

/** Goes back only to the last star: an earlier one never helps. */
function matchesTokens(tokens: readonly Token[], text: string): boolean {
  let at = 0;
  let token = 0;
  let starToken = -1;
  let starAt = 0;
  while (at < text.length) {
    const current = tokens[token];
    if (current === "star") {
      starToken = token++;
      starAt = at;
    } else if (current !== undefined && hasCharacter(current, text[at])) {
      token++;
      at++;
    } else if (starToken >= 0) {
      token = starToken + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every((rest) => rest === "star");
}

function hasCharacter(token: Exclude<Token, "star">, char: string): boolean {
  return token.ranges.some(([low, high]) => char >= low && char <= high) !== token.isNegated;
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  const parts = pattern.matchAll(/\*+|\?|\[((?:\\.|[^\]\\])*)\]?|\\?(.)/gs);
  for (const [part, set, char] of parts) {
    if (part.startsWith("*")) tokens.push("star");
    else if (part === "?") tokens.push(ANY_CHARACTER);
    else if (set !== undefined) tokens.push(setToken(set));
    else tokens.push({ ranges: [[char, char]], isNegated: false });
  }
  return tokens;
}

function setToken(set: string): Token {
  const isNegated = set !== "" && "!^".includes(set[0]);
  const items = (isNegated ? set.slice(1) : set).matchAll(/\\?(.)-(.)|\\?(.)/gs);
  const ranges = [...items].map(([, low, high, char]): [string, string] =>
    char !== undefined ? [char, char] : low <= high ? [low, high] : [high, low]
  );
  return { ranges, isNegated };
}
