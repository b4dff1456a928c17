// The desk's own script: shortcuts, sentences that light up together, a file dropped on the draft. Every page works without it.
"use strict";

const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select") !== null;
let going = false;

function step(by) {
  const steps = [...document.querySelectorAll("[data-step]")];
  if (!steps.length) return;
  const here = steps.findIndex((one) => one.contains(document.activeElement));
  const next = steps[Math.min(Math.max(here + by, 0), steps.length - 1)];
  const target = next.querySelector("a, button") || next;
  target.focus();
  next.scrollIntoView({ block: "nearest" });
}

function sentence(by) {
  const own = [...document.querySelectorAll(".version.base .s[data-pivot], .side.two .version:first-child .s[data-pivot]")];
  if (!own.length) return;
  const here = own.findIndex((one) => one.classList.contains("lit"));
  const next = own[here < 0 ? 0 : Math.min(Math.max(here + by, 0), own.length - 1)];
  lightWith(next);
  next.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (target) target.click();
  return target !== null;
}

function act(key) {
  if (going) {
    going = false;
    const target = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    if (target) target.click();
    return target !== null;
  }
  if (key === "g") return (going = true);
  if (key === "?") return document.getElementById("help").showModal(), true;
  if (key === "/") {
    const search = document.querySelector("[data-search]");
    if (search) search.focus();
    else location.assign("/");
    return true;
  }
  if (key === "j") return step(1), true;
  if (key === "k") return step(-1), true;
  if (key === ".") return sentence(1), true;
  if (key === ",") return sentence(-1), true;
  return press(key);
}

document.addEventListener("keydown", (event) => {
  if (event.target.id === "text" && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.target.form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (act(event.key)) event.preventDefault();
});

document.getElementById("help-button").addEventListener("click", () => document.getElementById("help").showModal());

const light = (event) => lightWith(event.target.closest(".s[data-pivot]"));

function lightWith(sentence) {
  for (const lit of document.querySelectorAll(".s.lit")) lit.classList.remove("lit");
  if (!sentence) return;
  const mates = sentence.dataset.pivot.split(" ").map((pivot) => `.s[data-pivot~="${pivot}"]`);
  for (const mate of document.querySelectorAll(mates.join())) mate.classList.add("lit");
}
for (const side of document.querySelectorAll(".side, .beside")) {
  side.addEventListener("mouseover", light);
  side.addEventListener("mouseleave", light);
  side.addEventListener("click", light);
}

const draft = document.querySelector("[data-drop]");
if (draft) {
  draft.addEventListener("dragover", (event) => event.preventDefault());
  draft.addEventListener("drop", async (event) => {
    const file = event.dataTransfer.files[0];
    if (!file) return;
    event.preventDefault();
    draft.value = await file.text();
    draft.form.requestSubmit();
  });
}
