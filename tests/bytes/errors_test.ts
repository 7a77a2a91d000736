import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { assertNever, AuthError, DecodeError, ProtocolError, UserError } from "../../lib/bytes/errors.ts";

Deno.test("DecodeError, ProtocolError and AuthError carry their name, message and cause", () => {
  const cause = new TypeError("below");
  for (
    const [errorClass, name] of [[DecodeError, "DecodeError"], [ProtocolError, "ProtocolError"], [
      AuthError,
      "AuthError",
    ]] as const
  ) {
    const error: Error = new errorClass("Cannot do it", { cause });
    assertInstanceOf<Error>(error, errorClass);
    assertEquals([error.name, error.message, error.cause], [name, "Cannot do it", cause]);
    assertEquals(String(error), `${name}: Cannot do it`);
  }
});

Deno.test("DecodeError, ProtocolError, AuthError and UserError are told apart by instanceof", () => {
  const errors: Error[] = [
    new DecodeError("a"),
    new ProtocolError("b"),
    new AuthError("c"),
    new UserError("internal", "d"),
  ];
  const classes = [DecodeError, ProtocolError, AuthError, UserError];
  for (const [i, error] of errors.entries()) {
    assertEquals(classes.map((errorClass) => error instanceof errorClass), classes.map((_, j) => i === j));
  }
});

Deno.test("UserError keeps code, hint and cause", () => {
  const cause = new Error("refused");
  const error = new UserError("relayUnreachable", "The relay does not answer", "Is it running?", { cause });
  assertEquals([error.code, error.hint, error.cause], ["relayUnreachable", "Is it running?", cause]);
  assertEquals(new UserError("internal", "x").hint, "");
  assert(!("cause" in new UserError("internal", "x")));
});

Deno.test("assertNever() throws a TypeError that names the kind and nothing else of the value", () => {
  const error = assertThrows(() => assertNever({ kind: "later", secret: "s3cret" } as never), TypeError, "later");
  assert(!error.message.includes("s3cret"));
  assertThrows(() => assertNever("x" as never), TypeError, "unknown kind");
});
