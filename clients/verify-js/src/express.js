// For Express, Connect, and Node's own http servers.
export { protect, requires } from './node.js';
