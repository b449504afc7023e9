import { Command } from "commander";
import { DEFAULT_CONFIG_FILE } from "../config/names.js";

/** `generate-config` and `validate-config` (SOP §4.1, §5.4). */
export function configCommands(): Command[] {
  const generate = new Command("generate-config")
    .description("write a sample configuration with every option documented")
    .option("-o, --output <path>", "where to write it", DEFAULT_CONFIG_FILE)
    .action(async (options: { output: string }) => {
      const { writeSampleConfig } = await import("../config/index.js");
      writeSampleConfig(options.output);
      process.stdout.write(`wrote ${options.output}\n`);
    });
  const validate = new Command("validate-config")
    .description("check a configuration file and show every value with its origin")
    .option("-c, --config <path>", "configuration file", DEFAULT_CONFIG_FILE)
    .action(async (options: { config: string }) => {
      const { loadConfig } = await import("../config/index.js");
      const { config, origins } = loadConfig(options.config, {});
      for (const [key, value] of leaves(config)) {
        const shown = key === "network.private_key" ? "(set)" : JSON.stringify(value);
        process.stdout.write(`${key} = ${shown}  # ${origins.get(key) ?? "default"}\n`);
      }
      process.stdout.write(`${options.config}: valid\n`);
    });
  return [generate, validate];
}

function leaves(value: object, prefix = ""): [string, unknown][] {
  return Object.entries(value).flatMap(([k, v]): [string, unknown][] => {
    const key = prefix === "" ? k : `${prefix}.${k}`;
    return typeof v === "object" && v !== null ? leaves(v as object, key) : [[key, v]];
  });
}
