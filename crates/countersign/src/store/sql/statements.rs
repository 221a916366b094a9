//! The statements that both databases take as they are, by table.
//!
//! They number their parameters in the order in which they come: to SQLite `$1` is a name, and
//! names count in that order.

// Users.

/// Takes the user's id.
pub(crate) const PASSWORD_OF: &str = "SELECT password FROM users WHERE id = $1";

/// Takes the password and the user's id.
pub(crate) const SET_PASSWORD: &str = "UPDATE users SET password = $1 WHERE id = $2";

/// Takes another hash of the same password, which is no other password to web hooks, the user's id
/// and the old hash.
pub(crate) const REHASH_PASSWORD: &str =
    "UPDATE users SET password = $1, rehashes = rehashes + 1 WHERE id = $2 AND password = $3";

/// Takes the address, the address as it is looked up, and the user's id.
pub(crate) const SET_ADDRESS: &str = "UPDATE users SET email = $1, email_folded = $2 WHERE id = $3";

/// Takes whether they are active, staff and superuser, the metadata, and the user's id.
pub(crate) const SET_FLAGS: &str =
    "UPDATE users SET is_active = $1, is_staff = $2, is_superuser = $3, metadata = $4
     WHERE id = $5";

/// Whether somebody is left who can do everything.
pub(crate) const IS_A_SUPERUSER_LEFT: &str =
    "SELECT EXISTS (SELECT 1 FROM users WHERE is_superuser AND is_active AND is_staff)";

/// Lets a user stay who waits to be deleted. Takes the user's id.
pub(crate) const STAY: &str = "UPDATE users SET deletion_at = NULL, is_active = true
     WHERE id = $1 AND deletion_at IS NOT NULL AND NOT is_active";

/// Takes the user's id.
pub(crate) const DELETION_OF: &str =
    "SELECT deletion_at FROM users WHERE id = $1 AND NOT is_active";

// Tickets that were used.

/// Takes the ticket's id and the time.
pub(crate) const USE_TICKET: &str =
    "INSERT INTO used_tickets (id, until) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// A node whose clock is ahead forgets none that another would let in once more: the store's idea
/// of the time has to say so too. Takes since when they are over, and for how long they are kept
/// beyond it.
pub(crate) const FORGET_TICKETS: &str = "DELETE FROM used_tickets WHERE id IN
     (SELECT id FROM used_tickets
         WHERE until <= $1 AND until <= (SELECT time FROM house) - $2
         ORDER BY until LIMIT 100)";

// Registrations that wait.

/// Takes the user's id, the address and the time.
pub(crate) const NOTE_REGISTRATION: &str =
    "INSERT INTO registrations (user_id, address, expires_at) VALUES ($1, $2, $3)
     ON CONFLICT (user_id) DO UPDATE SET address = excluded.address,
         expires_at = excluded.expires_at";

/// Those of users who had a session wait no more. Takes the time.
pub(crate) const FORGET_USED_REGISTRATIONS: &str = "DELETE FROM registrations
     WHERE expires_at <= $1 AND (
         EXISTS (SELECT 1 FROM sessions
             WHERE sessions.user_id = registrations.user_id AND revoked_at IS NULL)
         OR EXISTS (SELECT 1 FROM sessions
             WHERE sessions.user_id = registrations.user_id AND revoked_at IS NOT NULL))";

/// Takes the user's id.
pub(crate) const FORGET_REGISTRATION: &str = "DELETE FROM registrations WHERE user_id = $1";

// Groups and permissions.

/// Takes the name and the group's id.
pub(crate) const RENAME_GROUP: &str = "UPDATE groups SET name = $1 WHERE id = $2";

/// Takes the group's id.
pub(crate) const DELETE_GROUP: &str = "DELETE FROM groups WHERE id = $1";

/// As they are shown.
pub(crate) const PERMISSIONS: &str =
    "SELECT id, app, codename, name FROM permissions ORDER BY app, codename LIMIT 10000";

/// As one is shown. Takes its id.
pub(crate) const PERMISSION: &str = "SELECT app, codename, name FROM permissions WHERE id = $1";

/// As `app.codename`.
pub(crate) const PERMISSION_NAMES: &str =
    "SELECT app || '.' || codename FROM permissions ORDER BY 1 LIMIT 10000";

/// Takes app, code name, name, and the permission's id.
pub(crate) const CHANGE_PERMISSION: &str =
    "UPDATE permissions SET app = $1, codename = $2, name = $3 WHERE id = $4";

/// Takes the permission's id.
pub(crate) const DELETE_PERMISSION: &str = "DELETE FROM permissions WHERE id = $1";

// Sessions.

/// Takes the time, and since when a session was used.
pub(crate) const COUNT_LIVE_SESSIONS: &str =
    "SELECT count(*) FROM sessions WHERE revoked_at IS NULL AND expires_at > $1
         AND last_used_at > $2";

/// Takes the session's id.
pub(crate) const STEPS_OF: &str = "SELECT steps FROM sessions WHERE id = $1";

// The admin site.

/// Takes the hash of the session's token.
pub(crate) const ADMIN_SESSION: &str =
    "SELECT user_id, created_at, used_at, password_at, ip, user_agent FROM admin_sessions
     WHERE token_hash = $1";

/// Takes the hash of the session's token.
pub(crate) const END_ADMIN_SESSION: &str = "DELETE FROM admin_sessions WHERE token_hash = $1";

/// Takes the time.
pub(crate) const END_ADMIN_SESSIONS_BEGUN_BY: &str =
    "DELETE FROM admin_sessions WHERE created_at <= $1";

/// The token of the first superuser's link, while there is no superuser.
pub(crate) const OPEN_FIRST_LINK: &str = "SELECT token FROM first_link
     WHERE NOT used AND NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)";

/// Takes a line, in the order of its columns.
pub(crate) const NOTE: &str =
    "INSERT INTO audit_events (at, kind, user_id, session_id, actor_id, actor, ip, detail)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// Takes the first hour.
pub(crate) const ACTIVITY: &str =
    "SELECT hour, kind, n FROM activity WHERE hour >= $1 ORDER BY hour, kind";

// Keys and the feed.

/// Takes the time and the key's id.
pub(crate) const END_KEY: &str = "UPDATE signing_keys SET retires_at = $1 WHERE id = $2";

/// Takes the time and the user.
pub(crate) const USER_CHANGED: &str =
    "INSERT INTO changes (at, kind, subject) VALUES ($1, 'user_changed', $2)";

// One-time tokens and mail.

/// Takes a token, in the order of its columns. Of two that undo the second is later, whatever the
/// clocks of the nodes say: to use one ends the later ones.
pub(crate) const ADD_TOKEN: &str =
    "INSERT INTO one_time_tokens (id, purpose, user_id, address, secret_hash, code_hash,
         fingerprint, payload, created_at, expires_at, used_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
         (SELECT max(moment) FROM (SELECT CAST($9 AS bigint) AS moment UNION ALL
             SELECT created_at + 1 FROM one_time_tokens
             WHERE user_id = $3 AND purpose = $2 AND purpose = 'undo') AS moments),
         $10, $11)";

/// Takes another fingerprint of the row, the user, and the one before.
pub(crate) const CARRY_TOKENS: &str = "UPDATE one_time_tokens SET fingerprint = $1
     WHERE user_id = $2 AND used_at IS NULL AND fingerprint = $3";

/// Takes the time and the token's id.
pub(crate) const USE_TOKEN: &str = "UPDATE one_time_tokens SET used_at = $1 WHERE id = $2";

/// Takes the time, the user, and the id of the token that undoes: all end but the undos of earlier
/// changes.
pub(crate) const END_LATER_TOKENS: &str = "UPDATE one_time_tokens SET used_at = $1
     WHERE user_id = $2 AND used_at IS NULL AND (purpose <> 'undo'
         OR created_at > (SELECT created_at FROM one_time_tokens WHERE id = $3))";

/// Takes the user.
pub(crate) const FORGET_TOKENS: &str = "DELETE FROM one_time_tokens WHERE user_id = $1";

/// Takes the user.
pub(crate) const FORGET_MAILS: &str = "DELETE FROM outbox WHERE user_id = $1";

/// Takes the time and the user.
pub(crate) const END_EVERY_TOKEN: &str =
    "UPDATE one_time_tokens SET used_at = $1 WHERE user_id = $2 AND used_at IS NULL";

/// Takes the user, and the id of the token that undoes. What was enrolled before it was made goes
/// too, as far back as it is good for, and what waits to be proved.
pub(crate) const REMOVE_RECENT_FACTORS: &str = "DELETE FROM factors
     WHERE user_id = $1 AND (confirmed_at IS NULL
         OR confirmed_at >= (SELECT 2 * created_at - expires_at FROM one_time_tokens
             WHERE id = $2))
     RETURNING confirmed_at IS NOT NULL AS is_enrolled";

/// Takes the user, and the id of the token that undoes. Codes without a date are older than dates.
pub(crate) const REMOVE_RECENT_CODES: &str = "DELETE FROM recovery_codes
     WHERE user_id = $1 AND made_at >= (SELECT 2 * created_at - expires_at FROM one_time_tokens
         WHERE id = $2)";

/// Takes the user's id as the row has it: there are no factors any more.
pub(crate) const NO_FACTORS: &str = "UPDATE users SET factors = 0 WHERE id = $1";

/// Whether a challenge was answered by who logs in. Takes its id.
pub(crate) const IS_CHALLENGE_USED: &str =
    "SELECT EXISTS (SELECT 1 FROM passkey_challenges WHERE id = $1 AND user_id IS NULL)";

/// Takes when it is due, what went wrong, and the mail's id.
pub(crate) const PUT_OFF: &str =
    "UPDATE outbox SET due_at = $1, error = $2, tries = tries + 1, leased_until = 0
     WHERE id = $3 AND state = 'waiting'";

/// Takes the time and the mail's id.
pub(crate) const SEND_NOW: &str =
    "UPDATE outbox SET due_at = $1 WHERE id = $2 AND state = 'waiting'";

// Web hooks.

/// Takes when it was and the number of the message.
pub(crate) const HOOK_SENT: &str = "UPDATE hook_messages SET state = 'sent', due_at = $1,
    error = '', leased_until = 0, tries = tries + 1 WHERE number = $2 AND state = 'waiting'";

/// Where the deletion of a user was sent, nothing else is kept that was sent about them. Takes the
/// number of the message.
pub(crate) const HOOK_FORGET: &str = "DELETE FROM hook_messages
    WHERE state <> 'waiting' AND number <> $1 AND (hook, user_id) IN (
        SELECT hook, user_id FROM hook_messages
        WHERE number = $1 AND state = 'sent' AND event = 'user.deleted')";

/// Takes when it was, the error and the number of the message.
pub(crate) const HOOK_GIVEN_UP: &str = "UPDATE hook_messages SET state = 'failed', due_at = $1,
    error = $2, leased_until = 0, tries = tries + 1 WHERE number = $3 AND state = 'waiting'";

/// Takes when it is due, since when it is tried, the error and the number of the message.
pub(crate) const HOOK_PUT_OFF: &str = "UPDATE hook_messages SET due_at = $1,
    tried_since = coalesce(tried_since, $2), error = $3, leased_until = 0, tries = tries + 1
    WHERE number = $4 AND state = 'waiting'";

/// With its line, where it is the first: one that was sent again meanwhile is due before it. Takes
/// when it is due and the number of the message.
pub(crate) const HOOK_PUT_OFF_LINE: &str = "UPDATE hook_lines SET due_at = $1
    WHERE (hook, user_id) IN (SELECT hook, user_id FROM hook_messages WHERE number = $2)
        AND (SELECT min(number) FROM hook_messages AS first WHERE first.state = 'waiting'
            AND first.user_id = hook_lines.user_id AND first.hook = hook_lines.hook) = $2";

/// Those who wait without a line: a node of an earlier version has sent their messages again.
pub(crate) const HOOK_MISSING_LINES: &str = "INSERT INTO hook_lines (hook, user_id, due_at)
    SELECT hook, user_id, min(due_at) FROM hook_messages AS m
    WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM hook_lines AS line
        WHERE line.hook = m.hook AND line.user_id = m.user_id)
    GROUP BY hook, user_id
    ON CONFLICT DO NOTHING";

/// Nobody waits in the line of a message that is done: there is none. Takes the message's number.
/// The smallest number is looked for, since that leads SQLite to the index of the lines.
pub(crate) const HOOK_CLOSE_LINE: &str = "DELETE FROM hook_lines
    WHERE (hook, user_id) IN (SELECT hook, user_id FROM hook_messages WHERE number = $1)
        AND (SELECT min(number) FROM hook_messages AS next WHERE next.state = 'waiting'
            AND next.user_id = hook_lines.user_id AND next.hook = hook_lines.hook) IS NULL";

/// Takes when it was, why, and the hook.
pub(crate) const HOOK_PAUSE: &str =
    "UPDATE hooks SET paused_at = $1, pause_reason = $2 WHERE name = $3 AND paused_at IS NULL";

/// Takes the hook.
pub(crate) const HOOK_RESUME: &str =
    "UPDATE hooks SET paused_at = NULL, pause_reason = '' WHERE name = $1";

/// All that waits, as if it had not been tried. What is under way stays so: a change that came now
/// would take the place of a message that is as good as told. Takes the time and the hook.
pub(crate) const HOOK_BEGIN_ANEW: &str = "UPDATE hook_messages SET due_at = $1, tries = 0,
    tried_since = NULL WHERE hook = $2 AND state = 'waiting'";

/// Takes the time and the hook.
pub(crate) const HOOK_DUE_NOW: &str = "UPDATE hook_messages SET due_at = $1
    WHERE hook = $2 AND state = 'waiting' AND due_at > $1";

/// Takes the time and the hook.
pub(crate) const HOOK_LINES_DUE_NOW: &str =
    "UPDATE hook_lines SET due_at = $1 WHERE hook = $2 AND due_at > $1";

/// What was given up, and what was sent of events since a time. Takes the time, the hook, and since
/// when.
pub(crate) const HOOK_AGAIN: &str = "UPDATE hook_messages SET state = 'waiting', due_at = $1,
    leased_until = 0, tries = 0, tried_since = NULL, error = ''
    WHERE hook = $2 AND (state = 'failed' OR (state = 'sent' AND created_at >= $3))";

/// Whoever waits has a line, which is due. Takes the time and the hook.
pub(crate) const HOOK_LINES_AGAIN: &str = "INSERT INTO hook_lines (hook, user_id, due_at)
    SELECT DISTINCT hook, user_id, CAST($1 AS bigint) FROM hook_messages
    WHERE hook = $2 AND state = 'waiting'
    ON CONFLICT (hook, user_id) DO UPDATE SET due_at = excluded.due_at";

/// The next message of a hook. Takes the hook.
pub(crate) const HOOK_NEXT: &str = "SELECT due_at FROM hook_lines
    WHERE hook = $1 AND EXISTS (SELECT 1 FROM hooks WHERE name = $1 AND paused_at IS NULL)
    ORDER BY due_at LIMIT 1";

/// Takes the hook and the time.
pub(crate) const HOOK_SENT_SINCE: &str = "SELECT EXISTS (SELECT 1 FROM hook_messages
    WHERE hook = $1 AND state = 'sent' AND due_at >= $2)";

/// A page of what stands so. Takes the hook, the state, the place before it and how many.
pub(crate) const HOOK_MESSAGES: &str = "SELECT number, id, event, user_id, created_at, due_at,
         tries, error FROM hook_messages
     WHERE hook = $1 AND state = $2 AND (due_at, number) < ($3, $4)
     ORDER BY due_at DESC, number DESC LIMIT $5";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    #[test]
    fn parameters_are_numbered_in_the_order_in_which_they_come() {
        let mut of_each: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let source = include_str!("statements.rs");
        let (source, _) = source.split_once("#[cfg(test)]").unwrap();
        for text in source.split("pub(crate) const ").skip(1) {
            let (name, rest) = text.split_once(": &str =").unwrap();
            let statement = rest.split('"').nth(1).unwrap();
            let numbers = statement.split('$').skip(1).map(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                rest[..end].parse().unwrap()
            });
            of_each.insert(name, numbers.collect());
        }
        assert!(of_each.len() > 25, "{of_each:?}");
        for (name, numbers) in of_each {
            // One that comes again is the same one, in both.
            let mut last = 0;
            for number in &numbers {
                assert!(*number <= last + 1, "{name}: {numbers:?}");
                last = last.max(*number);
            }
        }
    }
}
