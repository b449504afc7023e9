/** Secrets from people and pipes: never from the command line, never echoed. */

/** Reads one line at the terminal without showing it; undefined when input or output is no terminal. */
export function terminalSecret(): ((question: string) => Promise<string>) | undefined {
  return process.stdin.isTTY === true && process.stderr.isTTY === true ? readHidden : undefined;
}

function readHidden(question: string): Promise<string> {
  const { stdin, stderr } = process;
  // Before the question: whoever answers at once must not be echoed.
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stderr.write(question);
  return new Promise((resolve, reject) => {
    let typed = "";
    const done = (settle: () => void): void => {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      settle();
    };
    const onData = (chunk: string): void => {
      for (const char of chunk) {
        if (char === "\r" || char === "\n") {
          done(() => resolve(typed));
          return;
        }
        if (char === "\u0003" || char === "\u0004") {
          done(() => reject(new Error("interrupted: nothing was done")));
          return;
        }
        if (char === "\u007f" || char === "\b") typed = [...typed].slice(0, -1).join("");
        else if (char >= " ") typed += char;
      }
    };
    stdin.on("data", onData);
    stdin.resume();
  });
}

/** The first line of what is piped in. */
export async function readPiped(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString("utf8").split(/\r?\n/, 1)[0]!.trim();
}

/** Asks twice. @throws when the two differ or nothing was typed. */
export async function askNewPassword(
  ask: (question: string) => Promise<string>,
  what: string,
): Promise<string> {
  const password = await ask(`New password of ${what}: `);
  if (password === "") throw new Error("an empty password protects nothing: nothing was done");
  if ((await ask("The same again: ")) !== password)
    throw new Error("the two passwords differ: nothing was done");
  return password;
}
