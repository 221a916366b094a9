import { currentUser } from '#lib/server/session.js';

export async function load(event) {
  const user = await currentUser(event);
  return { user: user && { id: user.id, username: user.username } };
}
