/** Every volume of a project, and what its deleted apps left, which is kept until somebody destroys it. */

import { all, remove } from "./api.js";
import { h, say } from "./dom.js";
import { bytes, time } from "./format.js";
import { entry, Listing, mark } from "./listing.js";

const WAIT = 25;

export function projectVolumesTab(root, page) {
  const path = `/projects/${page.id}/volumes`;
  const may = page.may("maintainer");
  const read = async () => {
    const [volumes, apps] = await Promise.all([all(path), all(`/projects/${page.id}/apps`)]);
    return volumes.map((volume) => ({ ...volume, app: apps.find(({ id }) => id === volume.app_id) ?? null }));
  };
  const list = new Listing({
    title: "Volumes",
    path: read,
    called: ({ name, app }) => `${name} of ${app?.name ?? "a deleted app"}`,
    none: "No volumes yet. An app gets one on its page Volumes.",
    row: (volume) => entry(volume.name, beside(volume), lines(volume), may && !volume.app && volume.state !== "purging" && destroys(volume, path, list)),
  });
  root.append(list.root, h("p.muted.small.below", {}, "An app of the project that has the slug of a deleted one finds its data again by the volume’s name."));
  return list;
}

const beside = ({ state, in_use, app }) => [mark(in_use ? "in use" : state, in_use ? "good" : ""), !app && h("span.tag", {}, "of a deleted app")];

const lines = ({ app, mount_path, size_bytes, measured_at }) => [
  [app ? h("a", { href: `#/apps/${app.slug}/volumes` }, app.name) : "was", " at ", h("code", {}, mount_path)],
  size_bytes === null ? "Not measured yet." : [`${bytes(size_bytes)}, measured `, time(measured_at)],
];

const destroys = ({ id, name }, path, list) =>
  list.removes({
    name,
    label: "Destroy",
    sentences: ["Its data is lost for good. Backups of it stay on the server."],
    act: async () => {
      await remove(`${path}/${id}?wait=${WAIT}`);
      say(`The data of ${name} is destroyed.`);
    },
  });
