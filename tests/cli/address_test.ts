import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import { formatAddress, parseAddress, parseHost, parsePort } from "../../lib/cli/address.ts";

Deno.test("parseAddress() takes every documented form", () => {
  assertEquals(parseAddress("relay.local"), { host: "relay.local" });
  assertEquals(parseAddress("192.168.1.7:5002"), { host: "192.168.1.7", port: 5002 });
  assertEquals(parseAddress("[::1]:5001"), { host: "::1", port: 5001 });
  assertEquals(parseAddress("[::1]"), { host: "::1" });
  assertEquals(parseAddress("::1"), { host: "::1" });
  assertEquals(parseAddress("fe80::1%eth0"), { host: "fe80::1%eth0" });
  assertEquals(parseAddress("my-pc:007"), { host: "my-pc", port: 7 });
});

Deno.test("parseAddress() refuses what is no address, whatever it is", () => {
  for (
    const text of [
      "",
      ":5001",
      "host:",
      "host:0",
      "host:65536",
      "host:abc",
      "host:5001/",
      "http://host",
      "http://host:5001",
      "a b",
      "a@b",
      "[::1",
      "[::1]x",
      "[::1]:",
      "[]",
      "[host]",
      ":::",
      "1:2:3",
      "-host",
      "host-",
      "h\x1b[0m",
      "x".repeat(254),
    ]
  ) {
    const error = assertThrows(() => parseAddress(text), UserError, "Cannot use");
    assertEquals(error.code, "badFlag", text);
  }
});

Deno.test("parseAddress() reads back what formatAddress() writes, and throws nothing but UserError", () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
  fc.assert(fc.property(host, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
    assertEquals(parseAddress(formatAddress(host, port)), { host, port });
  }));
  fc.assert(fc.property(fc.string({ unit: "binary", size: "max", maxLength: 40 }), (text) => {
    try {
      parseAddress(text);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }));
});

Deno.test("parseHost() refuses a port and says how to write it", () => {
  assertEquals(parseHost("[::1]"), "::1");
  assertEquals(assertThrows(() => parseHost("relay:5002"), UserError).hint, "Write --host relay --port 5002.");
});

Deno.test("parsePort() takes decimal digits in range alone", () => {
  assertEquals(parsePort("0", 0), 0);
  assertEquals(parsePort("65535", 1), 65_535);
  for (const text of ["", " 7", "7 ", "+7", "-7", "0x10", "1e3", "5001.0", "65536", "٣", "9".repeat(400)]) {
    assertThrows(() => parsePort(text, 0), UserError, "Cannot use the port");
  }
  assertThrows(() => parsePort("0", 1), UserError, "Cannot use the port");
});
