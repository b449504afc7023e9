/**
 * The venue's elementary values, and the check at the edge: unknown fields pass, wrong types are refused with the path.
 * Cold path: the hot messages are decoded by hand. Source: reference §0.
 */
import { z } from "zod";
import { VenueError } from "./errors.js";

/** A plain decimal. The venue writes strings; its own type stubs say number, so a number is read as its text. */
export const decimal = z
  .union([z.string(), z.number().transform(String)])
  .refine((text) => /^-?\d+(\.\d+)?$/.test(text), { message: "not a plain decimal" });
/** Ids, counters and Unix milliseconds. */
export const int = z.number().int().nonnegative();
/** `B` bid or buy, `A` ask or sell. */
export const side = z.enum(["B", "A"]);
export const cloid = z
  .string()
  .regex(/^0x[0-9a-fA-F]{32}$/, { message: "not 0x and 32 hex digits" })
  .transform((text) => text.toLowerCase() as `0x${string}`);
/** Returned in lower case, whatever was sent. */
export const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, { message: "not 0x and 40 hex digits" })
  .transform((text) => text.toLowerCase());
/** Index 0 = buy, 1 = sell. */
export const perDirection = z.tuple([decimal, decimal]);

/**
 * Validates a value against a shape.
 * @param what named in the error, with the path of the first wrong field.
 * @throws {VenueError} BadResponse
 */
export function validate<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join(".") || "(top level)";
  throw new VenueError("BadResponse", `${what}: ${path}: ${issue?.message ?? "wrong shape"}`);
}
