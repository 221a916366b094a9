use countersign::session::rotation::{Generation, Jti, Presented, RotationState};

use crate::server::{WINDOW, jti};

/// Forgets what no later decision can tell apart in the rows, tokens and times of a state.
pub(super) fn forget(
    rows: &mut [&mut RotationState],
    tokens: &mut [&mut Presented],
    times: &mut [&mut u64],
) {
    let names = distinct(
        rows.iter()
            .map(|row| row.current_jti)
            .chain(tokens.iter().flat_map(|token| [Some(token.jti), token.parent]).flatten()),
    );
    let mut moments: Vec<u64> = rows
        .iter()
        .flat_map(|row| [row.current_since, row.mark.since, row.earlier_mark.since])
        .collect();
    moments
        .extend(tokens.iter().map(|token| token.issued_at).chain(times.iter().map(|time| **time)));
    moments.sort_unstable();
    moments.dedup();
    let oldest = rows
        .iter()
        .map(|row| row.generation)
        .chain(tokens.iter().map(|token| token.generation))
        .min()
        .unwrap_or_default();

    let rename = |name: &mut Jti| {
        *name = jti(names.iter().position(|known| known == name).unwrap_or(names.len()) as u64);
    };
    let retime = |time: &mut u64| {
        let gaps = moments
            .windows(2)
            .take_while(|pair| pair[1] <= *time)
            .map(|pair| (pair[1] - pair[0]).min(WINDOW.as_secs() + 1));
        *time = gaps.sum();
    };
    for row in rows {
        // A race that was paid for an older generation is as none.
        row.race_charged = row
            .race_charged
            .filter(|&charged| charged == row.generation)
            .map(|charged| Generation(charged.0 - oldest.0));
        row.generation.0 -= oldest.0;
        for mark in [&mut row.mark, &mut row.earlier_mark] {
            // How much older a mark is than every token cannot be seen.
            mark.generation.0 = mark.generation.0.saturating_sub(oldest.0);
            retime(&mut mark.since);
        }
        rename(&mut row.current_jti);
        // No rule asks when the current token was minted.
        row.current_iat = 0;
        retime(&mut row.current_since);
    }
    for token in tokens {
        token.generation.0 -= oldest.0;
        rename(&mut token.jti);
        token.parent.iter_mut().for_each(rename);
        retime(&mut token.issued_at);
    }
    for time in times {
        retime(time);
    }
}

fn distinct(names: impl Iterator<Item = Jti>) -> Vec<Jti> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// A name that no token of a state has: a state has far fewer.
pub(super) const FRESH: u64 = 1_000;
