import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { defaultHandle, type InterfaceAddress, lanAddresses } from "../../lib/io/network.ts";

const v4 = (address: string): InterfaceAddress => ({ family: "IPv4", address });
const v6 = (address: string): InterfaceAddress => ({ family: "IPv6", address });
const envOf = (values: Record<string, string>) => ({ get: (name: string): string | undefined => values[name] });

Deno.test("lanAddresses() gives what others can reach, IPv4 first, each once", () => {
  const interfaces = [
    v6("::1"),
    v6("fd00::2"),
    v6("FE80::1"),
    v6("febf::1"),
    v4("127.0.0.1"),
    v4("169.254.7.7"),
    v4("192.168.1.7"),
    v4("10.0.0.2"),
    v4("192.168.1.7"),
  ];
  assertEquals(lanAddresses(interfaces), ["192.168.1.7", "10.0.0.2", "fd00::2"]);
  assertEquals(lanAddresses([]), []);
});

Deno.test("lanAddresses() asks the system without being given addresses", () => {
  assertEquals(lanAddresses().filter((address) => address.startsWith("127.")), []);
});

Deno.test("defaultHandle() makes a handle of the login name", () => {
  assertEquals(defaultHandle(envOf({ USER: "ada" })), "ada");
  assertEquals(defaultHandle(envOf({ USERNAME: "OFFICE\\Ada Lovelace" })), "Ada-Lovelace");
  assertEquals(defaultHandle(envOf({ USER: "", LOGNAME: "ada.l@example.org" })), "ada.l");
  assertEquals(defaultHandle(envOf({ USER: "Jürgen" })), "Jurgen");
  assertEquals(defaultHandle(envOf({ USER: "山田", LOGNAME: "..." })), undefined);
  assertEquals(defaultHandle(envOf({})), undefined);
});

Deno.test("defaultHandle() gives plain ASCII of bounded length or nothing, for any name", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", size: "max", maxLength: 60 }), (name) => {
    const handle = defaultHandle(envOf({ USER: name }));
    if (handle !== undefined) {
      assertEquals(/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,30}[A-Za-z0-9_])?$/.test(handle), true, handle);
    }
  }));
});
