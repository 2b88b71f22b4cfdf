/** What a person is in a project. */

import { session } from "./api.js";

const RANK = ["viewer", "deployer", "maintainer", "owner"];

export const ROLES = [
  ["viewer", "Viewer: sees apps, logs and figures"],
  ["deployer", "Deployer: deploys, rolls back, starts and stops too"],
  ["maintainer", "Maintainer: makes, changes and deletes too"],
];

/** An admin is everybody's owner. */
export const roleIn = (project) => (session.current?.user.role === "admin" ? "owner" : (project.role ?? "viewer"));

/** Whether the person has that role in the project, or more. */
export const mayIn = (project, role) => RANK.indexOf(roleIn(project)) >= RANK.indexOf(role);
