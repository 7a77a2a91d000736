/**
 * What this machine can say about itself: where the network reaches it, and who is logged in.
 * @module
 */

/** Reads environment variables; `Deno.env` is one. */
export interface Env {
  /** Gives a variable's value, `undefined` when it is not set. */
  get(name: string): string | undefined;
}

/** One address of one network interface. */
export interface InterfaceAddress {
  /** Its kind. */
  readonly family: "IPv4" | "IPv6";
  /** The address as text. */
  readonly address: string;
}

/** The longest handle (PROTOCOL §1). */
const HANDLE_MAX_CHARS = 32;

/**
 * Lists the addresses by which others on the local network can reach this machine.
 * @param interfaces the addresses that the system has
 * @returns IPv4 first, then IPv6, each once; no loopback and no link-local address
 */
export function lanAddresses(interfaces: readonly InterfaceAddress[] = systemInterfaces()): string[] {
  const reachable = interfaces.filter(({ address }) => !isLocalOnly(address.toLowerCase()));
  const of = (family: string) => reachable.filter((found) => found.family === family).map(({ address }) => address);
  return [...new Set([...of("IPv4"), ...of("IPv6")])];
}

/**
 * Makes a handle of the login name, to offer where none was given.
 * @param env the environment
 * @returns 1 to 32 ASCII letters, digits and `_ - .`, or `undefined` when nothing is left of the name
 */
export function defaultHandle(env: Env): string | undefined {
  for (const name of ["USER", "LOGNAME", "USERNAME"]) {
    // Windows can say DOMAIN\name, mail-like logins name@domain.
    const login = (env.get(name) ?? "").replace(/^.*\\/, "").replace(/@.*$/, "");
    const plain = login.normalize("NFKD").replace(/\p{M}/gu, "");
    const handle = plain.replace(/[^A-Za-z0-9_.-]+/g, "-").slice(0, HANDLE_MAX_CHARS).replace(/^[-.]+|[-.]+$/g, "");
    if (handle !== "") return handle;
  }
  return undefined;
}

function systemInterfaces(): readonly InterfaceAddress[] {
  try {
    return Deno.networkInterfaces();
  } catch {
    // Some containers and phones refuse to tell. The list is for reading only; a relay runs without it.
    return [];
  }
}

function isLocalOnly(address: string): boolean {
  return address.startsWith("127.") || address.startsWith("169.254.") || address === "0.0.0.0" ||
    address === "::" || address === "::1" || address.startsWith("::ffff:") || /^fe[89ab]/.test(address);
}
