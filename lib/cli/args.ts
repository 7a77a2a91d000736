/**
 * What the command lines of both programs share: cutting arguments into flags and the rest, and refusing what is not
 * exactly right. Does no I/O.
 *
 * The standard library's `parseArgs` cuts the arguments; what it would let pass (a switch with a value, a flag given
 * twice or without its value) is refused around it.
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";
import { UserError } from "../bytes/errors.ts";

/** The port of a relay that was given none. */
export const DEFAULT_PORT = 5001;

/** What a command line asks for: to run, or to print a text on stdout and exit with 0. */
export type ParsedFlags<F> =
  | { readonly kind: "run"; readonly flags: F }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly text: string };

/** The flags of a program: `text` takes a value, `switch` takes none. */
export type FlagTable = Readonly<Record<string, "text" | "switch">>;

/** The arguments, cut and counted but not yet understood. */
export interface GivenArgs {
  /** What is no flag, in order. */
  readonly positionals: readonly string[];
  /**
   * Tells whether a flag was given.
   * @param flag its name without dashes
   */
  has(flag: string): boolean;
  /**
   * Gives the value of a flag.
   * @param flag its name without dashes
   * @returns the text, `undefined` when it was not given
   */
  text(flag: string): string | undefined;
}

/**
 * Cuts a command line.
 * @param args the arguments, without the program's name
 * @param table the flags that there are
 * @returns what was given
 * @throws {UserError} `badFlag`, when a flag is unknown, twice there, without its value or with one too many
 */
export function readArgs(args: readonly string[], table: FlagTable): GivenArgs {
  refuseAmbiguous(args, table);
  const flags = Object.keys(table);
  const parsed = parseArgs(args, {
    string: ["_", ...flags.filter((flag) => table[flag] === "text")],
    boolean: flags.filter((flag) => table[flag] === "switch"),
    collect: flags,
    alias: { help: "h" },
    unknown: (arg, key) => {
      if (key !== undefined) throw unknownFlag(arg.replace(/=.*$/s, ""), flags);
    },
  });
  const values = new Map<string, string>();
  for (const flag of flags) {
    const found = parsed[flag] as readonly (string | boolean)[];
    if (found.length > 1) throw new UserError("badFlag", `Cannot take --${flag} twice`, "Give it once.");
    if (found.length === 1) values.set(flag, checkedValue(flag, found[0] as string | boolean));
  }
  return { positionals: parsed._, has: (flag) => values.has(flag), text: (flag) => values.get(flag) };
}

/**
 * Refuses arguments that nothing takes.
 * @param positionals what is left of them
 * @throws {UserError} `badFlag`, when there is one
 */
export function refuseSurplus(positionals: readonly string[]): void {
  const [first] = positionals;
  if (first === undefined) return;
  throw new UserError("badFlag", `Cannot take the argument ${JSON.stringify(first)}`, "See --help for what there is.");
}

/**
 * Makes a property of a value, or none of none.
 * @param key its name
 * @param value its value
 * @returns an object with that property, or an empty one
 */
export function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : { [key]: value } as { [P in K]?: string };
}

/**
 * Refuses what `parseArgs` would let pass: it takes `--json=no` for `--json`, swallows the word in `--json true`, and
 * knows a flag named `_`.
 */
function refuseAmbiguous(args: readonly string[], table: FlagTable): void {
  const end = args.indexOf("--");
  const flags = end === -1 ? args : args.slice(0, end);
  for (const [i, arg] of flags.entries()) {
    const [, name, inline] = /^--([^=]+)(=)?/.exec(arg) ?? [];
    if (name === undefined) continue;
    if (!Object.hasOwn(table, name)) throw unknownFlag(`--${name}`, Object.keys(table));
    const next = flags[i + 1];
    if (table[name] === "text" && inline === undefined && next?.startsWith("-") !== false) throw missingValue(name);
    if (table[name] === "text") continue;
    if (inline !== undefined) {
      throw new UserError("badFlag", `Cannot take a value for --${name}`, `Write --${name} alone.`);
    }
    if (next === "true" || next === "false") refuseSurplus([next]);
  }
}

function checkedValue(flag: string, value: string | boolean): string {
  if (typeof value === "boolean") return "";
  if (value === "") throw missingValue(flag);
  return value;
}

function missingValue(flag: string): UserError {
  return new UserError(
    "badFlag",
    `Cannot take --${flag} without a value`,
    `Write --${flag} VALUE, or --${flag}=VALUE for one that begins with a dash.`,
  );
}

function unknownFlag(rawName: string, known: readonly string[]): UserError {
  const name = rawName.replace(/^-+/, "");
  const begun = known.filter((flag) => name.length > 1 && flag.startsWith(name));
  const closest = begun.length === 1 ? begun[0] as string : closestString(name, known);
  const hint = begun.length === 1 || areNear(name, closest)
    ? `Did you mean --${closest}?`
    : "See --help for the flags there are.";
  return new UserError("badFlag", `Cannot take the unknown flag ${rawName}`, hint);
}

/** Whether at most a third of the letters differ, whatever their order: `prot` is `port`, `quiet` is nothing. */
function areNear(given: string, flag: string): boolean {
  const left = [...flag];
  let surplus = 0;
  for (const letter of given.toLowerCase()) {
    const at = left.indexOf(letter);
    if (at === -1) surplus++;
    else left.splice(at, 1);
  }
  return Math.max(surplus, left.length) <= flag.length / 3;
}
