// What the TypeScript drivers share: arguments, the work done once connected, one JSON line as the answer.
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

export const { values: options } = parseArgs({
  options: {
    url: { type: "string" }, // the MCP endpoint
    transport: { type: "string", default: "http" }, // http | sse
    era: { type: "string", default: "legacy" }, // legacy | auto
    token: { type: "string" }, // a bearer token, or
    store: { type: "string" }, // the file that keeps OAuth credentials between starts
    document: { type: "string" }, // the https URL of a client ID metadata document, instead of registering
    idle: { type: "string" }, // seconds to wait before `whoami` is called once more
    remember: { type: "string" }, // a note to keep and to read, which takes more scope each time
  },
});

/** Lists the tools and calls each. stepUp: lets the person grant what a call failed for, or throws. */
export async function useTools(client, stepUp) {
  const call = async (name, args = {}) => {
    const result = await client.callTool({ name, arguments: args });
    if (result.isError) throw new Error(result.content[0].text);
    return result.structuredContent?.result ?? result.structuredContent ?? result.content[0].text;
  };
  const { tools } = await client.listTools();
  const work = {
    tools: tools.map((tool) => tool.name),
    hello: await call("hello", { name: "Ada" }),
    sum: await call("add_numbers", { a: 2, b: 3 }),
    whoami: await call("whoami"),
  };
  if (options.idle) {
    await sleep(options.idle * 1000);
    work.later = await call("whoami");
  }
  if (options.remember) {
    const persist = (name, args) => call(name, args).catch((error) => stepUp(error).then(() => call(name, args)));
    const told = (error) => ({ error: `${error.constructor.name}: ${error.message}` });
    work.remember = await persist("remember", { text: options.remember }).catch(told);
    work.recall = await persist("recall").catch(told);
    work.later = await call("whoami");
  }
  return work;
}

/** Opens a page the way programs do. */
export function openBrowser(url) {
  spawn(process.env.BROWSER, [url], { stdio: "ignore", detached: true }).unref();
}

/** Prints `{"result": ...}`, or `{"error": ...}` and exits with 1. */
export async function answer(work) {
  try {
    console.log(JSON.stringify({ result: await work() }));
    process.exit(0);
  } catch (error) {
    const { name, message, code, status } = error;
    console.log(JSON.stringify({ error: { name: error.constructor?.name ?? name, message, code, status } }));
    process.exit(1);
  }
}
