// The model, run by LiteRT on the CPU. Everything is fetched from this page's own folder.

// What the folder lacks, or the browser, in words.
export class SetupError extends Error {}

async function fetched(name) {
  let response;
  try {
    response = await fetch(name);
  } catch {
    throw new SetupError(`${name} cannot be fetched: is the web server still running?`);
  }
  if (!response.ok) throw new SetupError(`${name} is missing on the server (${response.status}): copy the whole folder there.`);
  return response;
}

// {settings, names, classify}; `classify` takes Uint8Array [side, side, 3] and gives {probabilities, unlike}, the
// latter null where the model has none.
export async function load() {
  if (typeof WebAssembly !== "object") throw new SetupError("This browser has no WebAssembly, which the model needs.");
  const [settings, labels, content] = await Promise.all([
    fetched("settings.json").then((response) => response.json()),
    fetched("labels.txt").then((response) => response.text()),
    fetched("model.tflite").then((response) => response.arrayBuffer()),
  ]);
  const names = labels.replace(/\n$/, "").split("\n");
  const { Tensor, ...runtime } = await loadRuntime();
  let model;
  try {
    model = await runtime.loadAndCompile(new Uint8Array(content), { accelerator: "wasm" });
  } catch (error) {
    throw new SetupError(`model.tflite cannot be run here: ${String(error?.message ?? error).split("\n")[0]}`);
  }
  const side = settings.image_size;

  async function classify(pixels) {
    const input = new Tensor(pixels, [1, side, side, 3]);
    const outputs = await model.run({ images: input });
    const probabilities = Array.from(outputs.probabilities.toTypedArray());
    const unlike = outputs.unlike ? outputs.unlike.toTypedArray()[0] : null;
    [input, ...Object.values(outputs)].forEach((tensor) => tensor.delete()); // the runtime collects no garbage
    return { probabilities, unlike };
  }
  await classify(new Uint8Array(side * side * 3)); // the first run is the slowest
  return { settings, names, classify };
}

async function loadRuntime() {
  try {
    const runtime = await import("@litertjs/core");
    await runtime.loadLiteRt("runtime/core/wasm/");
    return runtime;
  } catch (error) {
    const why = String(error?.message ?? "a file is missing").split("\n")[0];
    throw new SetupError(`The runtime in the folder runtime/ cannot be loaded (${why}): copy the whole folder to the server.`);
  }
}
