import type { Client, User } from './index.js';
import type { NativeOptions } from './native.js';

export { CountersignError } from './native.js';
export type * from './native.js';

/** React Native's own `AppState`, as far as it is needed. */
export interface AppStateLike {
  readonly currentState: string | null;
  addEventListener(type: 'change', listener: () => void): { remove(): void };
}

/** `@react-native-community/netinfo`, as far as it is needed. */
export interface NetInfoLike {
  addEventListener(listener: (state: { isConnected: boolean | null }) => void): () => void;
}

/** How to make a client for React Native. */
export interface ReactNativeOptions extends NativeOptions {
  /** `AppState` of `react-native`: an app in the background does not refresh, one that comes back
   * does. */
  AppState: AppStateLike;
  /** `NetInfo` of `@react-native-community/netinfo`: what failed is tried again as soon as there is
   * a network. Without it, it is tried again after a pause. */
  NetInfo?: NetInfoLike;
}

/** Makes a client for React Native, 0.76 or newer. */
export function createReactNativeClient<U extends User = User>(
  options: ReactNativeOptions,
): Client<U>;
