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
  excludeBots: byId("exclude-bots"), result: byId("result"), outcome: byId("outcome"), asOf: byId("as-of"),
  answer: byId("answer"), sourcesPart: byId("sources-part"), sources: byId("sources"),
  details: byId("details"), pulse: byId("pulse"), stats: byId("stats"),
};

class KeyRefused extends Error {}

async function call(path, body) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY_NAME) ?? ""}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body),
  });
  if (response.status === 401) throw new KeyRefused("This key is not valid.");
  const json = await response.json();
  if (!response.ok) throw new Error(json.detail ?? `The API answered ${response.status}.`);
  return json;
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

function sourceItem(citation) {
  const when = element("time", { dateTime: citation.updated_at, title: clockTime(citation.updated_at) },
    age(citation.age_seconds));
  return element("li", { id: `source-${citation.marker}`, tabIndex: -1 },
    element("span", { className: "number", textContent: `[${citation.marker}]` }),
    element("div", {},
      element("div", {}, title(citation), " · ", when),
      element("blockquote", { textContent: citation.quote })));
}

function showStatus(kind, label) {
  page.result.hidden = false;
  page.outcome.className = `badge ${kind}`;
  page.outcome.textContent = label;
}

function showAnswer(answer) {
  showStatus(answer.outcome, OUTCOMES[answer.outcome] ?? answer.outcome);
  page.asOf.textContent = answer.as_of === null
    ? "Nothing is indexed yet"
    : `As of ${clockTime(answer.as_of)}, ${age(answer.freshness_seconds)}`;
  page.answer.replaceChildren(...answerParts(answer.answer, answer.citations));
  page.sources.replaceChildren(...answer.citations.map(sourceItem));
  page.sourcesPart.hidden = answer.citations.length === 0;
  const { input_tokens: input, output_tokens: output } = answer.usage;
  const seconds = ((answer.timings_ms.total ?? 0) / 1000).toFixed(2);
  page.details.textContent = `${answer.model} · ${seconds} s · ${input} + ${output} tokens · trace ${answer.trace_id}`;
}

function showFailure(error) {
  showStatus("failed", "Failed");
  page.asOf.textContent = "";
  page.answer.textContent = error.message;
  page.sourcesPart.hidden = true;
  page.details.textContent = "";
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

async function ask() {
  const filters = { exclude_bots: page.excludeBots.checked };
  if (page.since.value) filters.since = page.since.value;
  page.ask.disabled = true;
  page.result.setAttribute("aria-busy", "true");
  try {
    showAnswer(await call("/v1/ask", { question: page.question.value, filters }));
  } catch (error) {
    if (error instanceof KeyRefused) askForKey(error.message);
    else showFailure(error);
  } finally {
    page.ask.disabled = false;
    page.result.setAttribute("aria-busy", "false");
  }
}

async function refreshStats() {
  if (sessionStorage.getItem(KEY_NAME) === null || document.hidden) return;
  try {
    const stats = await call("/v1/stats");
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
page.forgetKey.addEventListener("click", () => askForKey());

showForms();
refreshStats();
setInterval(refreshStats, POLL_MILLISECONDS);
