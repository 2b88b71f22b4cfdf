/** What the git host sent about an app, what became of each, and to have one judged again. */

import { post } from "./api.js";
import { h, say } from "./dom.js";
import { time } from "./format.js";
import { entry, Listing, mark } from "./listing.js";

const MOST = 50;
const KINDS = { deployed: "good", received: "warn", rejected: "bad", refused: "bad" };

export function deliveriesOf(page) {
  const path = `/apps/${page.app.id}/webhook/deliveries`;
  const may = page.may("deployer");
  const again = async (delivery) => {
    const { verdict } = await post(`${path}/${delivery.id}/redeliver`);
    say(`Judged again: ${verdict}.`);
  };
  const list = new Listing({
    title: "Deliveries",
    path,
    most: MOST,
    none: "Nothing came yet. Each push that the git host tells of stands here, with what became of it and why.",
    row: (delivery) => {
      const { id, event, provider, verdict, received_at, deployment_id, redelivery_of } = delivery;
      const word = verdict.split(/[\s:]/)[0];
      return entry(
        event,
        [mark(word, KINDS[word])],
        [
          verdict !== word && verdict.slice(word.length).replace(/^:?\s*/, ""),
          [
            `${redelivery_of ? "judged again" : `by ${provider}`}, `,
            time(received_at),
            deployment_id && [" · ", h("a", { href: `#/apps/${page.slug}/deployments` }, "its deployment")],
          ],
        ],
        may && word !== "rejected" && list.does("Redeliver", () => again(delivery), { "aria-label": `Redeliver ${event} ${id}` }),
      );
    },
  });
  return list;
}
