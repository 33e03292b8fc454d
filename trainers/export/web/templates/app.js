// The page: a photo from a file, a drop, the clipboard or the camera in; the most probable classes out.

import { load } from "./classifier.js";
import { ImageError, open, squareOf } from "./pixels.js";

const MOST_CLASSES = 5;
const MOST_SHOWN = 720; // pixels of the longer side of the photo as shown
const FRAME_MS = 200; // rest between two frames of the camera
const $ = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

let model, stream;
let latest = 0; // the number of the newest photo: answers for older ones are dropped

// Of what is said, an answer is only read aloud: it stands beside the photo already.
function say(text, { isAnswer = false } = {}) {
  if ($("status").textContent !== text) $("status").textContent = text; // read aloud where it changes
  $("status").classList.toggle("quiet", isAnswer || text === "");
}

function complain(message) {
  $("error").textContent = message;
  $("error").hidden = false;
  $("result").hidden = $("empty").hidden = true;
  say("");
}

function name(index) {
  return model.names[index] ?? `class ${index}`;
}

async function classify(bitmap, kind, openMs) {
  const began = performance.now();
  const { pixels, isTransparent } = squareOf(bitmap, kind, model.settings);
  const resized = performance.now();
  const { probabilities, unlike } = await model.classify(pixels);
  const done = performance.now();
  return { pixels, isTransparent, probabilities, unlike, readMs: openMs + resized - began, modelMs: done - resized };
}

function show(found, bitmap) {
  const ranked = found.probabilities.map((probability, index) => ({ probability, index }));
  ranked.sort((a, b) => b.probability - a.probability);
  const isNone = found.unlike !== null && found.unlike > 1;
  const best = ranked[0];
  $("answer").textContent = isNone ? "None of these" : `${name(best.index)}, ${percent(best.probability)}`;
  const notes = [];
  if (isNone) notes.push("This is unlike everything that the model has learned. If it had to choose:");
  if (found.isTransparent) notes.push("Parts of this image are transparent: a browser shows them black, training saw the colours below.");
  $("note").textContent = notes.join(" ");
  $("note").hidden = notes.length === 0;
  $("bars").replaceChildren(...ranked.slice(0, MOST_CLASSES).map(bar));
  $("bars").classList.toggle("none", isNone);
  const rest = ranked.length - MOST_CLASSES;
  const parts = [rest > 0 ? `${rest} more classes share ${percent(1 - sum(ranked.slice(0, MOST_CLASSES)))}.` : ""];
  parts.push(`${bitmap.width} × ${bitmap.height} pixels read and resized in ${milliseconds(found.readMs)}, classified in ${milliseconds(found.modelMs)}.`);
  if (found.unlike !== null) parts.push(`Distance from what it knows: ${found.unlike.toFixed(2)}; above 1 is none of these.`);
  $("timing").textContent = parts.join(" ").trim();
  $("result").dataset.unlike = found.unlike ?? "";
  drawSquare(found.pixels);
  $("error").hidden = $("empty").hidden = true;
  $("result").hidden = false;
  return $("answer").textContent;
}

const sum = (rows) => rows.reduce((total, row) => total + row.probability, 0);

function bar({ probability, index }, rank) {
  const item = document.createElement("li"), label = document.createElement("span");
  const value = document.createElement("data"), track = document.createElement("span"), filled = document.createElement("span");
  item.classList.toggle("best", rank === 0);
  label.textContent = name(index);
  value.value = probability;
  value.textContent = percent(probability);
  track.className = "track";
  track.setAttribute("aria-hidden", "true");
  filled.style.width = `${100 * probability}%`;
  track.append(filled);
  item.append(label, value, track);
  return item;
}

function drawPhoto(bitmap) {
  const scale = Math.min(1, MOST_SHOWN / Math.max(bitmap.width, bitmap.height)), canvas = $("photo");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
}

function drawSquare(pixels) {
  const side = model.settings.image_size, canvas = $("seen"), image = new ImageData(side, side);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    image.data.set([pixels[from], pixels[from + 1], pixels[from + 2], 255], to);
  }
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const painted = () => new Promise((resolve) => setTimeout(resolve, 30)); // lets what was said appear

async function showFile(file) {
  stopCamera();
  if (!model) return;
  const mine = ++latest;
  $("error").hidden = true;
  say("Reading the photo …");
  await painted();
  try {
    const began = performance.now();
    const { bitmap, kind } = await open(file);
    const found = await classify(bitmap, kind, performance.now() - began);
    if (mine === latest) {
      drawPhoto(bitmap);
      $("photo-name").textContent = file.name ?? "";
      say(show(found, bitmap), { isAnswer: true });
    }
    bitmap.close();
  } catch (error) {
    if (mine === latest) complain(inWords(error));
    if (!(error instanceof ImageError)) console.error(error);
  }
}

function inWords(error) {
  return error instanceof ImageError ? error.message : `This photo could not be classified: ${error?.message ?? error}`;
}

// Of what was dropped or pasted: the first file.
function showFirst(transfer) {
  const file = transfer?.files?.[0];
  if (file) showFile(file);
  else complain("That was no file: choose, drop or paste a photo.");
}

async function startCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    complain("This browser opens the camera only for pages from https:// or from localhost.");
    return;
  }
  const mine = ++latest;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    const reasons = { NotFoundError: "There is no camera here.", NotAllowedError: "This page was not allowed to use the camera." };
    complain(`${reasons[error.name] ?? `The camera cannot be used (${error.message}).`} Choose a photo instead.`);
    return;
  }
  $("camera").textContent = "Stop the camera";
  $("video").srcObject = stream;
  setLive(true);
  try {
    await $("video").play();
    await watch(mine);
  } catch (error) {
    if (mine === latest) complain(inWords(error));
  }
}

async function watch(mine) {
  while (stream && mine === latest) {
    const began = performance.now();
    const bitmap = await createImageBitmap($("video"));
    const found = await classify(bitmap, "camera", performance.now() - began);
    if (stream && mine === latest) {
      show(found, bitmap);
      say($("answer").textContent.replace(/, [\d.]+ %$/, ""), { isAnswer: true }); // the class alone: read when it changes
    }
    bitmap.close();
    await new Promise((resolve) => setTimeout(resolve, FRAME_MS));
  }
}

function setLive(isLive) {
  $("video").hidden = !isLive;
  $("photo").hidden = isLive;
  $("photo-name").textContent = isLive ? "The camera" : "";
}

function stopCamera() {
  if (!stream) return;
  latest++;
  stream.getTracks().forEach((track) => track.stop());
  stream = undefined;
  drawPhotoOfVideo();
  $("video").srcObject = null;
  $("camera").textContent = "Use the camera";
  setLive(false);
}

// The last frame stays in place of the moving image.
function drawPhotoOfVideo() {
  const video = $("video");
  if (!video.videoWidth) return;
  const canvas = $("photo");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
}

function listen() {
  $("file").addEventListener("change", () => {
    if ($("file").files.length) showFile($("file").files[0]);
    $("file").value = ""; // the same photo may be chosen again
  });
  $("camera").addEventListener("click", () => (stream ? stopCamera() : startCamera()));
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) showFirst(event.clipboardData);
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("drop").hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").hidden = true;
    showFirst(event.dataTransfer);
  });
}

async function begin() {
  const began = performance.now();
  listen();
  try {
    model = await load();
  } catch (error) {
    complain(error?.message ?? String(error));
    return;
  }
  $("file").disabled = $("camera").disabled = $("empty").hidden = false;
  document.documentElement.dataset.loadedMs = Math.round(performance.now() - began);
  say("Ready.");
}

begin();
