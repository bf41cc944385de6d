"use strict";

// Everything from the API is inserted as text, never as HTML: documents come from strangers.

const KEY_NAME = "live-rag-api-key";
const POLL_MILLISECONDS = 3000;
const OUTCOMES = {
  answered: "Answered",
  no_context: "Nothing indexed answers this",
  degraded: "Quoted, the model is away",
};

const byId = (id) => document.getElementById(id);
const page = {
  keyForm: byId("key-form"), key: byId("key"), keyProblem: byId("key-problem"), forgetKey: byId("forget-key"),
  askForm: byId("ask-form"), question: byId("question"), ask: byId("ask"), since: byId("since"),
  excludeBots: byId("exclude-bots"), stop: byId("stop"), result: byId("result"), outcome: byId("outcome"),
  asOf: byId("as-of"), answer: byId("answer"), sourcesPart: byId("sources-part"),
  sourcesTitle: byId("sources-title"), sources: byId("sources"), window: byId("window"),
  details: byId("details"), pulse: byId("pulse"), stats: byId("stats"),
};

class KeyRefused extends Error {}

async function send(path, body, signal) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY_NAME) ?? ""}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body), signal,
  });
  if (response.status === 401) throw new KeyRefused("This key is not valid.");
  if (!response.ok) throw new Error((await response.json()).detail ?? `The API answered ${response.status}.`);
  return response;
}

// What EventSource would do, which can neither POST nor send a key.
async function* readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let received = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (received + value).split("\n\n");
    received = frames.pop();
    for (const frame of frames) {
      const fields = new Map(frame.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      if (fields.has("data")) yield { name: fields.get("event"), data: JSON.parse(fields.get("data")) };
    }
  }
}

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function age(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

const clockTime = (iso) => new Date(iso).toLocaleString();

// Titles link to their page, but only where the address is one that a browser opens harmlessly.
function title(citation) {
  const label = citation.title || citation.document_id;
  return /^https?:\/\//i.test(citation.url)
    ? element("a", { href: citation.url, rel: "noopener noreferrer", target: "_blank", textContent: label })
    : element("span", { textContent: label });
}

function showSource(marker) {
  for (const item of page.sources.children) item.classList.toggle("shown", item.id === `source-${marker}`);
  byId(`source-${marker}`).focus();
}

function answerParts(text, citations) {
  const markers = new Set(citations.map((citation) => String(citation.marker)));
  return text.split(/(\[\d+\])/).map((part) => {
    const marker = part.slice(1, -1);
    if (!/^\[\d+\]$/.test(part) || !markers.has(marker)) {
      return document.createTextNode(part.replace(/ $/, "\u00a0")); // a marker stays on its sentence's line
    }
    const link = element("a", { className: "marker", href: `#source-${marker}`, textContent: marker });
    link.setAttribute("aria-label", `Source ${marker}`);
    link.addEventListener("click", (event) => { event.preventDefault(); showSource(marker); });
    return link;
  });
}

function sourceItem(source) {
  const when = element("time", { dateTime: source.updated_at, title: clockTime(source.updated_at) },
    age(source.age_seconds));
  const numbered = source.marker !== undefined;
  const item = element("li", {},
    element("span", { className: "number", textContent: numbered ? `[${source.marker}]` : "" }),
    element("div", {},
      element("div", {}, title(source), " · ", when),
      element("blockquote", { textContent: source.quote })));
  if (numbered) Object.assign(item, { id: `source-${source.marker}`, tabIndex: -1 });
  return item;
}

function showStatus(kind, label, note = "") {
  page.result.hidden = false;
  page.outcome.className = `badge ${kind}`;
  page.outcome.textContent = label;
  page.asOf.textContent = note;
}

function showSources(heading, sources) {
  page.sourcesTitle.textContent = heading;
  page.sources.replaceChildren(...sources.map(sourceItem));
  page.sourcesPart.hidden = sources.length === 0;
}

function showText(text, citations) {
  page.answer.replaceChildren(...answerParts(text, citations));
}

function showWindow(window) {
  page.window.hidden = !window;
  if (!window) return;
  const from = window.since ? ` from ${clockTime(window.since)}` : "";
  const to = window.until ? ` to ${clockTime(window.until)}` : "";
  page.window.textContent = `Only what changed${from}${to}${window.text ? ` (“${window.text}”)` : ""}`;
}

function showAnswer(answer) {
  showStatus(answer.outcome, OUTCOMES[answer.outcome] ?? answer.outcome, answer.as_of === null
    ? "Nothing is indexed yet"
    : `As of ${clockTime(answer.as_of)}, ${age(answer.freshness_seconds)}`);
  showText(answer.answer, answer.citations);
  showSources("Sources", answer.citations);
  showWindow(answer.window);
  const { input_tokens: input, output_tokens: output } = answer.usage;
  const seconds = ((answer.timings_ms.total ?? 0) / 1000).toFixed(2);
  const model = answer.cached ? `${answer.model}, from the cache` : answer.model;
  page.details.textContent = `${model} · ${seconds} s · ${input} + ${output} tokens · trace ${answer.trace_id}`;
}

// The pieces are shown as they come; the whole answer at the end wins, should a source have changed meanwhile.
async function showStream(response) {
  let text = "";
  const citations = [];
  for await (const { name, data } of readEvents(response)) {
    if (name === "sources") {
      const count = data.sources.length;
      showStatus("reading", "Reading", `${count} ${count === 1 ? "page" : "pages"} found`);
      showSources("Found", data.sources);
      showWindow(data.window);
    } else if (name === "token") {
      text += data.text;
      citations.push(...data.citations);
      showText(text, citations);
      if (data.citations.length > 0) showSources("Sources", citations);
    } else if (name === "done") {
      showAnswer(data);
      return;
    } else if (name === "error") {
      throw new Error(data.detail);
    }
  }
  throw new Error("The connection ended before the answer did.");
}

function clearAnswer() {
  showText("", []);
  showSources("Sources", []);
  showWindow(null);
  page.details.textContent = "";
}

function showFailure(error) {
  clearAnswer();
  showStatus("failed", "Failed");
  page.answer.textContent = error.message;
}

function showStopped() {
  if (sessionStorage.getItem(KEY_NAME) !== null) showStatus("", "Stopped");
}

function askForKey(problem = "") {
  sessionStorage.removeItem(KEY_NAME);
  showForms();
  page.keyProblem.textContent = problem;
  page.key.focus();
}

function showForms() {
  const hasKey = sessionStorage.getItem(KEY_NAME) !== null;
  page.keyForm.hidden = hasKey;
  page.askForm.hidden = page.forgetKey.hidden = !hasKey;
  if (!hasKey) {
    page.result.hidden = true;
    page.stats.textContent = "Not connected";
    page.pulse.className = "pulse";
  }
}

let asking = null;

async function ask() {
  const filters = { exclude_bots: page.excludeBots.checked };
  if (page.since.value) filters.since = page.since.value;
  asking = new AbortController();
  setBusy(true);
  clearAnswer();
  showStatus("reading", "Searching");
  try {
    const body = { question: page.question.value, filters, stream: true };
    await showStream(await send("/v1/ask", body, asking.signal));
  } catch (error) {
    if (error.name === "AbortError") showStopped();
    else if (error instanceof KeyRefused) askForKey(error.message);
    else showFailure(error);
  } finally {
    setBusy(false);
  }
}

function setBusy(busy) {
  page.ask.disabled = busy;
  page.stop.hidden = !busy;
  page.answer.setAttribute("aria-busy", String(busy));
}

async function refreshStats() {
  if (sessionStorage.getItem(KEY_NAME) === null || document.hidden) return;
  try {
    const stats = await (await send("/v1/stats")).json();
    const fresh = stats.as_of === null ? "nothing indexed yet" : `newest ${age(stats.freshness_seconds)}`;
    page.stats.textContent = `${stats.documents.toLocaleString()} documents · `
      + `${stats.chunks.toLocaleString()} passages · ${fresh} · ${stats.llm}`;
    page.pulse.className = "pulse on";
  } catch (error) {
    if (error instanceof KeyRefused) askForKey(error.message);
    else {
      page.stats.textContent = `No statistics: ${error.message}`;
      page.pulse.className = "pulse off";
    }
  }
}

page.keyForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY_NAME, page.key.value.trim());
  page.key.value = "";
  page.keyProblem.textContent = "";
  showForms();
  await refreshStats();
  if (!page.askForm.hidden) page.question.focus();
});
page.askForm.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
page.question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!page.ask.disabled) page.askForm.requestSubmit();
});
page.stop.addEventListener("click", () => { asking.abort(); page.question.focus(); });
page.forgetKey.addEventListener("click", () => { asking?.abort(); askForKey(); });

showForms();
refreshStats();
setInterval(refreshStats, POLL_MILLISECONDS);
