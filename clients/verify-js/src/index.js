// Verify Countersign access tokens in a service of your own.
export { Identity } from './identity.js';
export { createManagement } from './management.js';
export {
  allowAny,
  hasFactor,
  hasPerm,
  inGroup,
  isAuthenticated,
  isAuthenticatedOrReadOnly,
  isStaff,
  isSuperuser,
  modelPerm,
  permission,
  recentLogin,
} from './permission.js';
export { Problem } from './problem.js';
export { createVerifier } from './verifier.js';
