/** Commands in fresh containers of the app's image: once, and by the clock. */

import { get, isOver, post, put, remove } from "./api.js";
import { button, h, say } from "./dom.js";
import { alert, cancel, check, dialog, field, form } from "./forms.js";
import { spoken, time, who, words } from "./format.js";
import { entry, Listing, mark } from "./listing.js";
import { LogLines } from "./log-lines.js";

const EVERY = 1000;
const OPEN = new Set(["queued", "running"]);
const KINDS = { succeeded: "good", queued: "warn", running: "warn", failed: "bad", timed_out: "bad" };

export function runsTab(root, page) {
  const may = page.may("maintainer");
  const runs = runsOf(`/apps/${page.app.id}/runs`, may);
  const jobs = jobsOf(`/apps/${page.app.id}/jobs`, may);
  root.append(runs.root, jobs.root);
  return {
    stop() {
      runs.stop();
      jobs.stop();
    },
  };
}

function runsOf(path, may) {
  const add = button("Run a command", { symbol: "plus", hidden: !may, onclick: () => askRun(path, list) });
  const list = new Listing({
    title: "Runs",
    path,
    newest: true,
    tools: [add],
    none: "No runs yet. A run is a command in a fresh container with the app’s image, environment and volumes.",
    row: (run) =>
      entry(
        spoken(run.command),
        [mark(words(run.status), KINDS[run.status]), run.exit_code !== null && h("span.muted.small", {}, `exit code ${run.exit_code}`)],
        [[`by ${run.job_id ? "a job" : who(run.actor)}, `, time(run.created_at)], run.failure?.message],
        [
          button("Log", { "aria-label": `Log of ${spoken(run.command)}`, onclick: () => showLog(`${path}/${run.id}`, run) }),
          may && OPEN.has(run.status) && list.does("Cancel", () => post(`${path}/${run.id}/cancel`)),
        ],
      ),
  });
  return list;
}

function askRun(path, list) {
  const command = field("command", "Command", {
    hint: "Split as a shell would, not run by one. The image’s entry point comes before it.",
    autocapitalize: "none",
    spellcheck: "false",
  });
  dialog("Run a command", (close) => {
    const send = async (body) => {
      const run = await post(path, body);
      close();
      await list.refresh();
      showLog(`${path}/${run.id}`, run);
    };
    return [form({ fields: [command], label: "Run", send, after: cancel(close) })];
  });
}

/** What a run wrote, until it has ended. */
function showLog(path, run) {
  const top = alert();
  const lines = new LogLines("Log of the run");
  const state = h("p.small");
  const root = dialog(spoken(run.command), () => [top.root, state, lines.root]);
  let shown = 0;
  const look = async () => {
    try {
      const [now, log] = await Promise.all([get(path), get(`${path}/logs?tail=1000`)]);
      if (log.items.length < shown || log.truncated) {
        lines.clear();
        shown = 0;
      }
      for (const line of log.items.slice(shown)) lines.add(line);
      shown = log.items.length;
      state.replaceChildren(mark(words(now.status) + (now.exit_code === null ? "" : `, exit code ${now.exit_code}`), KINDS[now.status]));
      if (log.ended && !OPEN.has(now.status)) return;
    } catch (problem) {
      if (isOver(problem)) return;
      top.show(problem);
    }
    if (root.open) setTimeout(look, EVERY);
  };
  look();
}

function jobsOf(path, may) {
  const add = button("Add job", { symbol: "plus", hidden: !may, onclick: () => askJob(path, list) });
  const list = new Listing({
    title: "Jobs",
    path,
    tools: [add],
    none: "No jobs yet. A job runs a command by the clock.",
    row: (job) =>
      entry(
        job.name,
        [
          mark(job.enabled ? "on" : "off", job.enabled ? "good" : ""),
          job.last_run && mark(`last ${words(job.last_run.status)}`, KINDS[job.last_run.status]),
        ],
        [
          [h("code", {}, job.schedule), ` ${job.time_zone} · `, h("code", {}, spoken(job.command))],
          [job.next_at && ["Next ", time(job.next_at), ". "], job.skipped > 0 && `Skipped ${job.skipped} times.`],
        ],
        may && [
          list.does(job.enabled ? "Turn off" : "Turn on", () => put(`${path}/${job.id}`, { enabled: !job.enabled }), {
            "aria-label": `Turn ${job.name} ${job.enabled ? "off" : "on"}`,
          }),
          list.removes({ name: job.name, sentences: ["Its runs so far stay in the list above."], act: () => remove(`${path}/${job.id}`) }),
        ],
      ),
  });
  return list;
}

function askJob(path, list) {
  const fields = [
    field("name", "Name", { maxlength: 100 }),
    field("schedule", "Schedule", { placeholder: "30 4 * * 1-5", hint: "Cron’s five fields: minute, hour, day, month, weekday." }),
    field("time_zone", "Time zone", { value: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC" }),
    field("command", "Command", { autocapitalize: "none", spellcheck: "false" }),
    check("allow_overlap", "Also while its last run is not over"),
  ];
  dialog("Add a job", (close) => {
    const send = async (body) => {
      const job = await post(path, body);
      close();
      say(`The job ${job.name} is made.`);
      await list.refresh();
    };
    return [form({ fields, label: "Add job", send, after: cancel(close) })];
  });
}
