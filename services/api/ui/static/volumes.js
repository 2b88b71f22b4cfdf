/** Data that outlives containers: how large it is, and the copies of it. */

import { download, get, isOver, post, put, remove, upload } from "./api.js";
import { button, busy, h, say } from "./dom.js";
import { alert, cancel, check, confirm, dialog, field, form, number } from "./forms.js";
import { bytes, exact, time } from "./format.js";
import { entry, Listing, mark } from "./listing.js";

const WAIT = 25;

export function volumesTab(root, page) {
  const path = `/apps/${page.app.id}/volumes`;
  const may = page.may("maintainer");
  const add = button("Add volume", { symbol: "plus", hidden: !may, onclick: () => ask(path, list) });
  const list = new Listing({
    title: "Volumes",
    path,
    tools: [add],
    none: "No volumes yet. What an app writes elsewhere goes with its container.",
    row: (volume) => entry(volume.name, beside(volume), lines(volume), may && does(volume, `${path}/${volume.id}`, list)),
  });
  root.append(list.root);
  return list;
}

const beside = ({ state, in_use, shared, last_backup_error }) => [
  mark(in_use ? "in use" : state, in_use ? "good" : ""),
  shared && h("span.tag", {}, "shared"),
  last_backup_error && mark("backup failed", "bad"),
];

const lines = ({ mount_path, size_bytes, measured_at, backup, last_backup_at, last_backup_error }) => [
  [h("code", {}, mount_path), size_bytes === null ? " · not measured yet" : [` · ${bytes(size_bytes)}, measured `, time(measured_at)]],
  [
    last_backup_at ? ["Backed up ", time(last_backup_at), ". "] : "No backup yet. ",
    backup ? [`By the clock: ${backup.schedule} (${backup.time_zone}), ${backup.keep} kept`, backup.next_at && [", next ", time(backup.next_at)]] : "Not by the clock.",
  ],
  last_backup_error,
];

function does(volume, one, list) {
  const back = async () => {
    await post(`${one}/backups?wait=${WAIT}`);
    say(`${volume.name} is backed up.`);
  };
  return [
    list.does("Back up now", back, { "aria-label": `Back up ${volume.name} now` }),
    button("Backups", { "aria-label": `Backups of ${volume.name}`, onclick: () => copies(volume, one, list) }),
    button("Schedule", { "aria-label": `Backup schedule of ${volume.name}`, onclick: () => schedule(volume, one, list) }),
    button("Remove", { kind: "quiet", "aria-label": `Remove ${volume.name}`, onclick: () => askToRemove(volume, one, list) }),
  ];
}

/** Every backup on the server, and the way of one in and out through this browser. */
function copies(volume, one, list) {
  const top = alert();
  const rows = h("ul.rows");
  const attempt = async (work) => {
    top.clear();
    try {
      await work();
      await list.refresh();
    } catch (problem) {
      if (!isOver(problem)) top.show(problem);
    }
  };
  const restore = (what, act) =>
    confirm({
      title: `Restore ${volume.name}?`,
      sentences: [`All that is in the volume is replaced by ${what}.`],
      label: "Restore",
      act: async () => {
        await act();
        say(`${volume.name} is restored.`);
      },
      after: () => list.refresh(),
    });
  const show = async () => {
    const found = (await get(`${one}/backups`)).items;
    rows.replaceChildren(...(found.length ? found.map(copy) : [h("li.none.muted", {}, "No backups on the server yet.")]));
  };
  const destroy = ({ name, at }) =>
    confirm({
      title: "Delete the backup?",
      sentences: [`Of ${volume.name}, made ${exact(at)}. Nothing brings it back.`],
      label: "Delete backup",
      act: async () => {
        await remove(`${one}/backups/${encodeURIComponent(name)}`);
        say("The backup is deleted.");
      },
      after: async () => {
        await attempt(show);
        (rows.querySelector("button") ?? take).focus();
      },
    });
  const copy = (backup) => {
    const { name, at, size_bytes } = backup;
    return h(
      "li.item",
      { "aria-label": name },
      h("span.what", {}, exact(at), h("span.muted.small", {}, " · ", time(at), ` · ${bytes(size_bytes)}`)),
      button("Restore", { onclick: () => restore(name, () => post(`${one}/backups/${encodeURIComponent(name)}/restore?wait=${WAIT}`)) }),
      button("Delete", { kind: "quiet", onclick: () => destroy(backup) }),
    );
  };
  const file = h("input.unseen", {
    type: "file",
    id: `f-${volume.id}`,
    onchange: () => file.files.length && restore(file.files[0].name, () => upload(`${one}/archive`, file.files[0])),
  });
  const take = button("Download", { onclick: () => busy(take, () => attempt(() => download(`${one}/archive`, `${volume.name}.tar`))) });
  dialog(`Backups of ${volume.name}`, () => [
    top.root,
    rows,
    h("p.muted.small", {}, "A tar archive of what is in the volume now, to this computer, and back from one:"),
    h("div.actions", {}, take, button("Restore from a file…", { onclick: () => file.click() }), file),
  ]);
  attempt(show);
}

function schedule(volume, one, list) {
  const given = volume.backup ?? { schedule: "30 3 * * *", time_zone: "UTC", keep: 7 };
  const on = check("enabled", "Back up by the clock", { checked: volume.backup !== null });
  const fields = [
    on,
    field("schedule", "Schedule", { value: given.schedule, hint: "Cron’s five fields: minute, hour, day, month, weekday." }),
    field("time_zone", "Time zone", { value: given.time_zone }),
    field("keep", "Backups kept", { value: given.keep, inputmode: "numeric", read: number(undefined) }),
  ];
  dialog(`Backup schedule of ${volume.name}`, (close) => {
    const send = async ({ enabled, ...backup }) => {
      await put(one, { backup: enabled ? backup : null });
      close();
      say("The schedule is saved.");
      await list.refresh();
    };
    return [form({ fields, label: "Save", send, after: cancel(close) })];
  });
}

function askToRemove(volume, one, list) {
  const purge = check("purge", "Destroy the data too; this cannot be undone");
  dialog(`Remove ${volume.name}?`, (close) => {
    const send = async ({ purge: gone }) => {
      await remove(`${one}${gone ? "?purge=true" : ""}`);
      close();
      say(`${volume.name} is removed.`);
      await list.refresh();
    };
    return [
      h("p", {}, "The next deploy does not mount it. Its data is kept unless you say otherwise."),
      form({ fields: [purge], label: "Remove volume", send, after: cancel(close) }),
    ];
  });
}

function ask(path, list) {
  const fields = [
    field("name", "Name", { placeholder: "data", autocapitalize: "none", spellcheck: "false" }),
    field("mount_path", "Path in the container", { placeholder: "/data", autocapitalize: "none", spellcheck: "false" }),
    check("shared", "Several containers may have it at once"),
  ];
  dialog("Add a volume", (close) => {
    const send = async (body) => {
      const made = await post(path, body);
      close();
      say(`${made.name} is added. The next deploy mounts it.`);
      await list.refresh();
    };
    return [form({ fields, label: "Add volume", send, after: cancel(close) })];
  });
}
