/**
 * Where a relay is, as a person types it: `host`, `host:port`, `::1`, `[::1]` or `[::1]:5001`.
 * @module
 */

import { UserError } from "../bytes/errors.ts";

/** A host, and the port if one was given. */
export interface Address {
  /** A host name or an IP address, an IPv6 one without its brackets. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port?: number;
}

/** The longest name that DNS holds. */
const HOST_MAX_CHARS = 253;
const HOST_NAME = /^[\p{L}\p{N}_](?:[\p{L}\p{N}._-]*[\p{L}\p{N}_.])?$/u;
const PORT_MAX = 65_535;

/**
 * Parses an address.
 * @param text what was typed
 * @returns its host, and its port if it names one
 * @throws {UserError} `badFlag`, when it is no address
 */
export function parseAddress(text: string): Address {
  if (text.includes("/")) throw badHost(text);
  const bracketed = /^\[(.*)\](?::(.*))?$/s.exec(text);
  if (bracketed) return withPort(checkIpv6(bracketed[1] as string), bracketed[2]);
  // Two colons or more, no brackets: an IPv6 address, which cannot carry a port without them.
  if (text.split(":").length > 2) return { host: checkIpv6(text) };
  const [, host, port] = /^(.*?)(?::([^:]*))?$/s.exec(text) as unknown as [string, string, string | undefined];
  return withPort(checkHostName(host), port);
}

/**
 * Parses a host without a port, as `--host` takes it.
 * @param text what was typed; an IPv6 address with or without brackets
 * @returns the host
 * @throws {UserError} `badFlag`, when it is no host, or one with a port
 */
export function parseHost(text: string): string {
  const { host, port } = parseAddress(text);
  if (port !== undefined) {
    throw new UserError(
      "badFlag",
      "Cannot take a port in --host",
      `Write --host ${host} --port ${port}.`,
    );
  }
  return host;
}

/**
 * Parses a port number.
 * @param text what was typed: decimal digits alone
 * @param min the lowest that is allowed, 0 where the system may choose
 * @returns the port
 * @throws {UserError} `badFlag`, when it is no whole number or out of range
 */
export function parsePort(text: string, min: 0 | 1): number {
  // Number() alone would take "", " 7", "0x10" and "1e3".
  const port = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(port >= min && port <= PORT_MAX)) {
    throw new UserError(
      "badFlag",
      `Cannot use the port ${JSON.stringify(text)}`,
      `Give a whole number from ${min} to ${PORT_MAX}.`,
    );
  }
  return port;
}

/**
 * Writes an address the way it can be typed again.
 * @param host a host name or an IP address
 * @param port its port
 * @returns `host:port`, or `[host]:port` for IPv6
 */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function withPort(host: string, portText: string | undefined): Address {
  return portText === undefined ? { host } : { host, port: parsePort(portText, 1) };
}

function checkHostName(host: string): string {
  if (host.length <= HOST_MAX_CHARS && HOST_NAME.test(host)) return host;
  throw badHost(host);
}

function checkIpv6(host: string): string {
  const [address, zone, ...rest] = host.split("%");
  const zoneIsFine = zone === undefined || /^[\w.-]{1,64}$/.test(zone);
  if (zoneIsFine && rest.length === 0 && URL.canParse(`http://[${address}]/`)) return host;
  throw badHost(host);
}

function badHost(host: string): UserError {
  const hint = host.includes("/")
    ? "Leave out http:// and everything after the port."
    : "Give a host name or an IP address, for example 192.168.1.7:5001 or [::1]:5001.";
  return new UserError("badFlag", `Cannot use ${JSON.stringify(host)} as a host`, hint);
}
