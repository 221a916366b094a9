//! The promises of a store, as tests for whoever writes one.
//!
//! [`store_tests!`](crate::store_tests) makes a test of each promise. It asks for a database with a
//! store or two on it, freshly made for each test. Both stores of this crate are tested so:
//! `tests/store_sqlite` and `tests/store_postgres`.
//!
//! ```
//! use std::sync::Arc;
//!
//! use countersign::store::conformance::Database;
//! use countersign::store::sqlite::SqliteStore;
//!
//! /// A new database, and so many stores on it.
//! async fn open(nodes: usize) -> Database {
//!     let directory = tempfile::tempdir().unwrap();
//!     let file = directory.path().join("countersign.sqlite3");
//!     let node = |_| Arc::new(SqliteStore::open(&file).unwrap()) as _;
//!     Database { nodes: (0..nodes).map(node).collect(), keep: Box::new(directory) }
//! }
//!
//! countersign::store_tests!(open);
//! # fn main() {}
//! ```

#[doc(hidden)]
pub mod admin;
#[doc(hidden)]
pub mod begin;
#[doc(hidden)]
pub mod deletion;
#[doc(hidden)]
pub mod devices;
#[doc(hidden)]
pub mod export;
#[doc(hidden)]
pub mod factor_changes;
#[doc(hidden)]
pub mod factor_import;
#[doc(hidden)]
pub mod factors;
#[doc(hidden)]
pub mod feed;
#[doc(hidden)]
pub mod fixtures;
#[doc(hidden)]
pub mod keys;
#[doc(hidden)]
pub mod outbox;
#[doc(hidden)]
pub mod own_changes;
#[doc(hidden)]
pub mod passkeys;
#[doc(hidden)]
pub mod registrations;
#[doc(hidden)]
pub mod sessions;
#[doc(hidden)]
pub mod tickets;
#[doc(hidden)]
pub mod time;
#[doc(hidden)]
pub mod tokens;
#[doc(hidden)]
pub mod told;
#[doc(hidden)]
pub mod undo;
#[doc(hidden)]
pub mod users;

use std::any::Any;
use std::sync::Arc;

use super::admin::AdminStore;
#[doc(hidden)]
pub use admin::{
    access as admin_access, acts as admin_acts, audit as admin_audit, edits as admin_edits,
    hooks as admin_hooks, large as admin_large, links as admin_links, lists as admin_lists,
    once as admin_once, operators as admin_operators, service_tokens as admin_service_tokens,
    sessions as admin_sessions, superusers as admin_superusers,
};

/// A database that is new, and the stores on it.
///
/// ```
/// use std::sync::Arc;
///
/// use countersign::store::conformance::Database;
/// use countersign::store::sqlite::SqliteStore;
///
/// let directory = tempfile::tempdir().unwrap();
/// let store = SqliteStore::open(&directory.path().join("countersign.sqlite3")).unwrap();
/// let database = Database { nodes: vec![Arc::new(store)], keep: Box::new(directory) };
/// assert_eq!(database.nodes.len(), 1);
/// ```
#[derive(Debug)]
pub struct Database {
    /// As many as were asked for, each as another process would have it.
    pub nodes: Vec<Arc<dyn AdminStore>>,
    /// What goes away with the database, such as its directory.
    pub keep: Box<dyn Any>,
}

/// Runs a promise on a new database with one store.
#[doc(hidden)]
pub fn on_one<D: Future<Output = Database>, P: Future<Output = ()>>(
    open: impl FnOnce(usize) -> D,
    promise: impl FnOnce(Arc<dyn AdminStore>) -> P,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut database = open(1).await;
        promise(database.nodes.remove(0)).await;
    });
}

/// The same with two stores, on threads of their own.
#[doc(hidden)]
pub fn on_two<D: Future<Output = Database>, P: Future<Output = ()>>(
    open: impl FnOnce(usize) -> D,
    promise: impl FnOnce([Arc<dyn AdminStore>; 2]) -> P,
) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let database = open(2).await;
        promise(database.nodes.try_into().expect("two nodes")).await;
    });
}

/// Makes a test of every promise of a store. `open` is a function, or the path of one, that makes a
/// new database and so many stores on it: `async fn open(nodes: usize) -> Database`. See
/// [`conformance`](crate::store::conformance).
///
/// ```
/// use std::sync::Arc;
///
/// use countersign::store::conformance::Database;
/// use countersign::store::sqlite::SqliteStore;
///
/// async fn open(nodes: usize) -> Database {
///     let directory = tempfile::tempdir().unwrap();
///     let file = directory.path().join("countersign.sqlite3");
///     let node = |_| Arc::new(SqliteStore::open(&file).unwrap()) as _;
///     Database { nodes: (0..nodes).map(node).collect(), keep: Box::new(directory) }
/// }
///
/// countersign::store_tests!(open);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_tests {
    ($open:expr) => {
        $crate::store_tests! { @one $open, users:
            a_user_comes_back_as_it_was_made,
            numbers_in_metadata_come_back_as_they_were_given,
            a_login_finds_the_exact_name_then_the_folded_one_then_the_only_address,
            a_name_is_taken_by_its_folding_and_by_another_users_address,
            nobody_takes_an_address_that_another_active_user_has_in_whatever_form,
            an_address_that_is_a_name_in_another_form_is_refused,
            an_address_that_several_have_signs_in_the_only_active_one_or_nobody,
            a_profile_changes_by_the_fields_that_are_given,
            a_new_password_ends_the_other_sessions_and_an_upgrade_ends_none,
            who_is_deactivated_or_deleted_has_no_session_left,
            the_kinds_of_hash_that_are_live_are_each_named_once,
            a_list_is_walked_page_by_page,
        }
        $crate::store_tests! { @one $open, sessions:
            a_session_comes_back_as_it_was_made_and_marks_the_login,
            the_owner_of_a_live_session_names_its_device_and_nobody_else,
            an_id_is_given_once,
            the_largest_id_is_as_good_as_any,
            a_refresh_applies_the_decision_and_keeps_its_state,
            the_marks_are_kept_a_bucket_and_the_one_before_it,
            who_refreshes_all_the_time_does_not_hide_behind_the_generations,
            a_token_from_the_rows_future_heals_it,
            each_refusal_has_its_own_reason,
            fifty_refreshes_at_once_are_one_after_another,
            only_the_owner_ends_a_session_where_an_owner_is_named_and_only_once,
            a_users_sessions_end_together_but_for_the_one_that_is_kept,
            the_sessions_of_a_restored_backup_end_and_later_ones_live,
            what_ended_long_ago_is_forgotten_and_what_lives_is_not,
        }
        $crate::store_tests! { @one $open, devices:
            a_key_is_kept_where_the_rules_say_so,
            a_session_tells_of_its_device_and_one_that_ended_takes_none,
            a_session_may_be_bound_from_its_beginning,
            a_proof_counts_once_and_by_its_own_key_alone,
            a_key_is_confirmed_when_what_was_on_its_way_has_arrived,
            a_refresh_without_a_proof_changes_nothing,
            a_stale_token_of_the_device_itself_ends_nothing,
        }
        $crate::store_tests! { @two $open, devices:
            of_many_proofs_of_one_challenge_on_two_nodes_one_counts,
            of_two_keys_that_are_offered_at_once_one_stays,
        }
        $crate::store_tests! { @one $open, keys:
            keys_come_back_in_their_order_and_a_new_one_retires_the_others,
            of_keys_that_are_made_at_once_one_stays,
        }
        $crate::store_tests! { @one $open, feed:
            every_ending_and_every_change_of_a_user_is_in_the_feed_once_and_nothing_else_is,
            a_process_that_starts_reads_from_the_first_change_that_may_matter,
            pages_go_on_where_the_last_one_ended_and_tell_everything_once,
            a_start_does_not_depend_on_how_much_has_changed,
        }
        $crate::store_tests! { @one $open, time:
            a_store_follows_a_clock_by_a_step_at_most_and_back_again,
            what_a_wrong_clock_dated_in_the_future_counts_as_written_now_and_nothing_else_is_touched,
        }
        $crate::store_tests! { @two $open, begin:
            no_login_that_was_under_way_outlives_what_an_operator_does,
            a_login_under_way_with_the_old_password_does_not_outlive_the_users_own_change,
            no_sign_in_to_the_admin_site_that_was_under_way_outlives_what_ends_the_operators_power,
            a_thief_who_sets_the_password_in_a_loop_does_not_undo_what_an_operator_sets,
            two_logins_at_once_both_begin,
            with_one_session_more_than_a_user_may_have_the_oldest_ends,
            logins_at_once_leave_no_more_than_a_user_may_have_wherever_users_live,
            a_login_ends_the_session_that_it_replaces_whoever_has_it,
        }
        $crate::store_tests! { @one $open, outbox:
            a_mail_is_taken_when_it_is_due_and_by_one_at_a_time,
            a_mail_that_was_sent_or_failed_is_not_taken_again_and_keeps_no_content,
            mails_that_are_given_back_are_anybodys_at_once,
            an_operator_sends_what_was_put_off_at_once,
            an_address_gets_so_many_mails_an_hour_and_no_more,
            the_outbox_is_walked_page_by_page,
            mails_that_are_done_are_forgotten_and_those_that_wait_are_not,
        }
        $crate::store_tests! { @two $open, outbox:
            of_two_nodes_each_mail_is_taken_by_one,
        }
        $crate::store_tests! { @one $open, tokens:
            a_token_is_used_once_by_who_has_its_secret,
            a_token_of_one_purpose_serves_no_other,
            a_token_dies_with_what_it_was_made_for,
            a_token_that_is_too_old_or_followed_by_a_newer_one_is_dead,
            a_code_is_dead_after_five_wrong_tries,
            a_code_may_be_that_of_any_who_claim_the_address,
            a_new_password_by_token_ends_every_session_and_proves_the_address,
            what_was_set_before_an_address_was_proved_dies_with_the_proof_elsewhere,
            an_address_is_changed_once_it_is_proved_and_back_again,
            an_undo_ends_what_came_later_wherever_the_user_lives,
            an_undo_takes_away_what_was_enrolled_lately_and_nothing_else,
            an_undo_takes_away_the_recovery_codes_that_were_made_lately,
            who_waited_for_a_proof_keeps_no_factor_and_no_token,
            a_proof_of_an_address_in_the_row_takes_no_factor_and_no_undo_away,
            what_an_operator_sets_ends_whatever_was_mailed,
            an_address_that_somebody_took_meanwhile_uses_no_token_up,
            a_hash_that_is_renewed_ends_no_link,
            a_link_that_died_with_its_user_stays_dead_when_they_are_active_again,
            tokens_that_expired_are_forgotten,
        }
        $crate::store_tests! { @one $open, registrations:
            whoever_registers_is_there_with_a_token_and_a_mail_or_not_at_all,
            an_address_that_is_claimed_becomes_the_users_when_it_is_proved,
            who_registers_beyond_the_bounds_of_an_address_takes_no_code_and_no_claim_away,
            whoever_must_prove_an_address_waits_alike_whether_or_not_another_has_it,
            whoever_gets_an_address_or_goes_waits_no_more,
            who_did_not_prove_an_address_in_time_is_gone_and_nobody_else_is,
            lapsed_registrations_go_some_at_a_time,
            of_users_elsewhere_those_are_due_who_never_had_a_session,
        }
        $crate::store_tests! { @one $open, told:
            a_session_that_begins_is_told_and_one_that_does_not_is_not,
            a_password_that_is_changed_is_told_and_one_that_is_not_is_not,
            what_an_operator_changes_is_told_with_the_change,
            a_theft_is_told_with_the_end_of_the_session_and_once,
            each_kind_of_mail_is_counted_by_itself,
            a_flood_of_mails_ends_no_token_that_was_sent,
            what_ends_a_link_does_not_tell_whether_a_mail_was_sent,
            a_user_gets_so_many_tokens_of_a_purpose_an_hour,
        }
        $crate::store_tests! { @one $open, own_changes:
            a_change_of_the_profile_is_told_with_it,
            a_change_of_the_profile_by_a_session_that_has_ended_is_not_done,
            a_change_of_an_address_that_was_another_when_it_was_read_is_not_done,
            what_a_user_asks_for_in_a_session_that_has_ended_is_not_issued,
            an_address_that_is_changed_too_often_stays_and_is_told_to_nobody,
        }
        $crate::store_tests! { @two $open, own_changes:
            a_thief_who_changes_the_address_in_a_loop_does_not_undo_an_undo,
        }
        $crate::store_tests! { @one $open, undo:
            an_undo_outlives_what_it_undoes_and_the_earlier_one_counts,
            an_undo_takes_the_address_from_who_did_not_prove_it,
            an_undo_takes_the_address_from_who_is_called_so,
            whoever_has_proved_the_former_address_keeps_it_and_their_name,
        }
        $crate::store_tests! { @one $open, tickets:
            a_ticket_is_used_once_and_another_is_another,
            what_was_used_is_forgotten_when_its_time_has_been_over_for_a_while,
            a_clock_that_is_ahead_lets_nobody_use_a_ticket_twice,
        }
        $crate::store_tests! { @two $open, tickets:
            of_fifty_who_show_one_ticket_on_two_nodes_one_is_let_in,
        }
        $crate::store_tests! { @two $open, tokens:
            of_fifty_who_use_one_token_at_once_one_does,
            of_fifty_tries_at_a_code_at_once_five_are_counted,
        }
        $crate::store_tests! { @one $open, deletion:
            who_asked_to_be_deleted_is_gone_when_the_time_comes_and_not_before,
            a_deletion_at_once_leaves_its_mail_and_its_line_and_nothing_else,
            nothing_is_done_on_another_password_or_for_a_session_that_ended,
            the_last_superuser_cannot_ask_to_be_deleted,
            whoever_activates_a_user_ends_the_plan_to_delete_them,
            a_thief_who_asks_for_the_deletion_does_not_outrun_the_undo,
            nobody_takes_the_address_of_who_may_come_back,
            what_is_due_goes_some_at_a_time_and_each_has_a_line,
            who_is_gone_from_a_table_elsewhere_leaves_nothing_behind,
        }
        $crate::store_tests! { @two $open, deletion:
            of_two_nodes_each_due_user_is_deleted_by_one,
            of_two_superusers_who_ask_at_once_one_stays,
            a_login_or_a_new_password_at_the_same_time_leaves_no_session_behind,
            of_coming_back_and_being_deleted_at_last_one_happens,
        }
        $crate::store_tests! { @one $open, export:
            everything_about_a_user_comes_once_page_by_page_and_nothing_of_others,
            sessions_that_ended_are_kept_beside_those_that_live,
        }
        $crate::store_tests! { @one $open, factor_import:
            factors_of_another_installation_are_added_once_and_told_of,
        }
        $crate::store_tests! { @one $open, factors:
            a_factor_is_asked_for_once_it_is_proved_and_the_session_knows,
            a_factor_is_not_enrolled_for_another_too_late_or_by_a_session_that_ended,
            a_session_begins_with_a_factor_once_and_on_the_factors_as_they_were_checked,
            a_second_step_sees_in_one_look_what_there_is,
            a_user_has_as_many_factors_as_anybody_may_and_no_more,
            a_recovery_code_serves_once_and_only_its_user,
            a_waiting_sign_in_is_tried_five_times,
            a_factor_is_named_and_removed_by_its_user_and_the_last_one_where_none_must_stay,
            what_is_proved_again_is_noted_in_a_live_session_on_the_row_as_it_was_checked,
            whoever_ends_all_sessions_has_every_device_asked_again,
            an_operator_removes_every_factor_and_the_line_says_who,
            an_operator_who_ends_all_sessions_has_every_device_asked_again,
            whoever_ends_the_sessions_of_everybody_has_every_device_asked_again,
            an_operator_removes_one_factor_and_with_the_last_one_the_codes_go,
            factors_go_with_their_user,
            factors_of_a_user_elsewhere_are_forgotten,
        }
        $crate::store_tests! { @one $open, factor_changes:
            with_a_factor_goes_what_it_proved,
            who_has_a_factor_changes_them_in_a_session_that_has_proved_one,
            who_had_factors_that_were_forgotten_logs_in_and_has_no_number_again,
        }
        $crate::store_tests! { @two $open, factors:
            no_login_that_was_under_way_outlives_a_change_of_the_factors,
            of_fifty_who_use_one_code_at_once_one_begins_a_session,
        }
        $crate::store_tests! { @one $open, passkeys:
            a_challenge_is_kept_until_its_time_is_over,
            of_one_user_the_newest_few_challenges_are_kept,
            a_passkey_is_enrolled_once_and_brings_codes_with_the_first_factor,
            a_session_begins_with_a_passkey_once_for_each_challenge,
            the_count_of_a_passkey_goes_up_or_stays_away,
            a_passkey_is_proved_again_in_a_session_with_a_challenge_of_its_own,
            a_passkey_that_was_removed_or_whose_user_is_gone_is_nobodys,
        }
        $crate::store_tests! { @two $open, passkeys:
            of_fifty_who_use_one_challenge_at_once_one_begins_a_session,
        }
        $crate::store_tests! { @one $open, admin_access:
            permissions_are_made_changed_and_deleted,
            a_permission_that_somebody_changed_meanwhile_is_not_overwritten,
            a_group_is_made_changed_and_deleted_and_its_members_feel_it,
            groups_are_found_by_their_names,
            groups_are_listed_by_what_they_begin_with_page_by_page,
        }
        $crate::store_tests! { @one $open, admin_acts:
            every_act_leaves_one_line_with_who_did_it,
            an_act_that_is_not_done_leaves_no_line,
        }
        $crate::store_tests! { @one $open, admin_audit:
            each_line_comes_back_as_it_was_written_there_and_back_under_every_filter,
            whoever_carries_the_log_elsewhere_meets_each_line_once_and_goes_on_from_a_place,
            the_last_lines_are_found_from_the_end_and_behind_each_comes_what_is_read_after_it,
            a_detail_is_cut_and_nothing_in_it_does_harm,
            lines_are_forgotten_by_age_the_oldest_first,
            counts_of_an_hour_add_up_and_the_highest_of_live_sessions_stays,
            sizes_are_exact_while_they_are_small,
        }
        $crate::store_tests! { @one $open, admin_edits:
            a_user_is_made_with_groups_and_permissions_and_a_line,
            an_edit_changes_what_it_says_and_every_cache_hears_of_it,
            a_stale_form_overwrites_nothing,
            a_name_of_another_is_refused_and_nothing_is_changed,
            who_is_made_inactive_has_no_sessions_any_more,
            a_password_that_an_operator_sets_ends_every_session,
            one_thing_is_done_to_many_users_and_told_of_each,
            what_an_operator_may_is_asked_again_in_the_transaction,
            what_was_on_its_way_when_its_operator_was_demoted_is_not_done,
            a_group_gives_only_what_its_operator_has_then,
        }
        $crate::store_tests! { @one $open, admin_large:
            a_long_log_is_read_to_its_end_under_two_filters,
        }
        $crate::store_tests! { @one $open, admin_hooks:
            an_act_is_queued_once_for_each_hook_that_wants_it_and_for_no_other,
            each_act_is_told_by_its_name_and_without_a_secret,
            a_change_that_follows_one_that_waits_takes_its_place,
            a_change_while_a_message_that_is_replayed_is_under_way_is_told,
            nothing_is_told_of_a_user_behind_their_deletion,
            what_is_about_one_user_goes_in_its_order_and_holds_up_nobody_else,
            nobody_looks_through_what_waits_behind_the_first_message_of_a_user,
            a_message_that_is_sent_again_waits_for_no_later_one,
            a_hook_that_is_paused_gets_nothing_until_it_is_replayed,
            what_waits_and_what_was_done_is_read_in_pages_without_what_it_says,
            what_was_sent_about_a_user_is_forgotten_with_them_and_all_of_it_with_its_age,
        }
        $crate::store_tests! { @two $open, admin_hooks:
            of_two_nodes_each_message_is_taken_by_one_and_again_when_it_died,
            what_comes_while_the_last_message_of_a_user_is_sent_is_not_forgotten,
        }
        $crate::store_tests! { @one $open, admin_links:
            whoever_is_invited_is_there_with_a_token_a_mail_and_a_line_or_not_at_all,
            a_link_is_sent_on_the_row_as_it_is_and_to_whom_the_operator_may,
            an_operators_word_proves_the_addresses_that_they_saw_and_no_others,
            an_operator_retries_and_forgets_mails_and_each_is_told_of,
        }
        $crate::store_tests! { @one $open, admin_lists:
            the_names_of_those_who_are_there_are_told_and_of_no_others,
            each_user_comes_once_there_and_back_in_every_order,
            every_filter_lets_through_whom_it_names_and_counts_them,
            who_has_a_second_factor_is_told_from_who_has_none_offered_one_or_had_one,
            words_are_found_inside_names_and_addresses_in_any_case_and_nothing_else_is,
            a_number_finds_the_user_with_that_id_and_what_holds_its_digits,
            what_is_changed_is_found_by_what_it_is_and_no_more_by_what_it_was,
            a_place_that_no_page_named_is_a_page_all_the_same,
            a_user_who_is_deleted_while_one_turns_the_page_takes_nobody_along,
        }
        $crate::store_tests! { @one $open, admin_operators:
            a_session_is_begun_used_and_ended,
            an_operator_proves_again_who_they_are_on_the_row_as_it_was_checked,
            it_ends_with_whatever_ends_the_operators_power,
            what_a_restored_backup_brought_back_ends_but_for_the_links_that_undo,
            nobody_begins_one_who_may_not_enter,
            a_better_encoding_of_the_same_password_ends_nothing_and_old_ones_are_forgotten,
        }
        $crate::store_tests! { @one $open, admin_once:
            what_is_asked_twice_under_one_key_is_made_once,
            a_key_is_its_callers_own_and_counts_for_a_day,
            a_clock_that_is_ahead_has_nobody_made_twice,
        }
        $crate::store_tests! { @two $open, admin_once:
            of_two_who_send_one_request_at_once_both_get_the_user_who_was_made,
        }
        $crate::store_tests! { @one $open, admin_service_tokens:
            a_token_counts_from_when_it_is_made_until_it_is_revoked,
            a_token_never_may_more_than_its_maker_may_at_that_moment,
            nobody_makes_a_token_that_may_more_than_they,
            what_was_on_its_way_when_its_token_was_revoked_is_not_done,
            of_two_tokens_with_one_name_one_counts,
            a_use_is_noted_once_a_minute_and_no_cache_hears_of_it,
            every_cache_hears_of_a_revoked_token,
        }
        $crate::store_tests! { @two $open, admin_service_tokens:
            no_act_of_a_token_outlives_its_end_on_another_node,
        }
        $crate::store_tests! { @one $open, admin_sessions:
            each_session_comes_once_there_and_back_and_every_filter_holds,
            sessions_that_ended_or_were_left_idle_are_not_counted_as_live,
            the_last_refreshes_of_a_session_tell_why_it_ended,
            races_are_told_of_from_the_second_in_a_row_and_say_from_where,
            counts_of_hours_are_forgotten_after_a_year,
            an_operator_ends_sessions_and_each_is_told_of_once,
        }
        $crate::store_tests! { @one $open, admin_superusers:
            the_last_superuser_stays,
            others_come_and_go_where_there_is_no_superuser,
            of_two_who_remove_each_other_at_once_one_stays,
        }
    };
    (@one $open:expr, $room:ident: $($promise:ident,)+) => {
        $(
            #[test]
            fn $promise() {
                $crate::store::conformance::on_one(
                    $open,
                    $crate::store::conformance::$room::$promise,
                );
            }
        )+
    };
    (@two $open:expr, $room:ident: $($promise:ident,)+) => {
        $(
            #[test]
            fn $promise() {
                $crate::store::conformance::on_two(
                    $open,
                    $crate::store::conformance::$room::$promise,
                );
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    /// Whoever adds a promise adds it to the macro too, or names it as one that needs a database
    /// filled by hand.
    #[test]
    fn every_promise_is_a_test() {
        let by_hand = [
            "a_hundred_thousand_sessions_of_one_user_are_read_in_pages_and_end_some_at_a_time",
            "few_who_fit_among_many_who_do_not_are_found_page_by_page",
            "counts_are_exact_of_few_and_about_right_of_many",
            "the_first_page_of_a_search_that_many_fit_shows_some_of_them",
            "where_the_line_cannot_be_written_the_act_is_not_done",
        ];
        let listed = include_str!("mod.rs");
        for room in [
            include_str!("begin.rs"),
            include_str!("deletion.rs"),
            include_str!("export.rs"),
            include_str!("factors.rs"),
            include_str!("feed.rs"),
            include_str!("keys.rs"),
            include_str!("outbox.rs"),
            include_str!("passkeys.rs"),
            include_str!("registrations.rs"),
            include_str!("sessions.rs"),
            include_str!("tickets.rs"),
            include_str!("time.rs"),
            include_str!("tokens.rs"),
            include_str!("users.rs"),
            include_str!("admin/access.rs"),
            include_str!("admin/acts.rs"),
            include_str!("admin/audit.rs"),
            include_str!("admin/edits.rs"),
            include_str!("admin/large.rs"),
            include_str!("admin/links.rs"),
            include_str!("admin/lists.rs"),
            include_str!("admin/once.rs"),
            include_str!("admin/operators.rs"),
            include_str!("admin/service_tokens.rs"),
            include_str!("admin/sessions.rs"),
            include_str!("admin/superusers.rs"),
        ] {
            for promise in room.split("\npub async fn ").skip(1) {
                let name = promise.split('(').next().unwrap();
                let is_listed = listed.contains(&format!("            {name},\n"));
                assert!(is_listed || by_hand.contains(&name) || name == "rotate", "{name}");
            }
        }
    }
}
