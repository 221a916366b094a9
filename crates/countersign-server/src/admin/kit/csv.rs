//! Lists as CSV: all of what the filters show, streamed; RFC 4180, and no cell of it is a formula.

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use countersign::store::StoreError;
use http_body_util::channel::{Channel, Sender};

/// Reads a list page by page.
pub(crate) trait Pages: Send + 'static {
    /// The names of the columns.
    const COLUMNS: &'static [&'static str];

    /// The lines of the next page, each of its cells by [`push_line`], and whether there is
    /// another.
    fn next(&mut self, text: &mut String) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// An answer that is written while it is read.
pub(crate) fn download<P: Pages>(name: &str, pages: P) -> Response {
    let (sender, body) = Channel::<Bytes, StoreError>::new(2);
    tokio::spawn(write(pages, sender));
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, Body::new(body)).into_response()
}

/// Writes page after page, no faster than it is read. Where the store fails, the answer breaks off
/// rather than end, so that nobody takes a part for the whole.
async fn write<P: Pages>(mut pages: P, mut sender: Sender<Bytes, StoreError>) {
    let mut text = String::new();
    push_line(&mut text, P::COLUMNS);
    loop {
        let goes_on = match pages.next(&mut text).await {
            Ok(goes_on) => goes_on,
            Err(error) => {
                tracing::error!(%error, "a list could not be exported whole");
                return sender.abort(error);
            }
        };
        let sent = sender.send_data(Bytes::from(std::mem::take(&mut text))).await;
        if sent.is_err() || !goes_on {
            return;
        }
    }
}

/// Rows that are read together.
pub(crate) const ROWS_AT_ONCE: u32 = 500;

/// A line of these cells.
pub(crate) fn push_line(text: &mut String, cells: &[impl AsRef<str>]) {
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        push_cell(text, cell.as_ref());
    }
    text.push_str("\r\n");
}

/// A cell in quotes. One that a spreadsheet would take for a formula gets an apostrophe before it
/// (OWASP, CSV injection).
fn push_cell(text: &mut String, cell: &str) {
    text.push('"');
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        text.push('\'');
    }
    for c in cell.chars() {
        if c == '"' {
            text.push('"');
        }
        text.push(c);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut cell = String::new();
        push_cell(&mut cell, text);
        cell
    }

    #[test]
    fn no_cell_is_a_formula_and_quotes_stay_inside() {
        assert_eq!(cell("plain, \"quoted\"\nand broken"), "\"plain, \"\"quoted\"\"\nand broken\"");
        for start in ["=", "+", "-", "@", "\t", "\r"] {
            assert_eq!(
                cell(&format!("{start}HYPERLINK(\"x\")")),
                format!("\"'{start}HYPERLINK(\"\"x\"\")\"")
            );
        }
        assert_eq!(cell(""), "\"\"");
        assert_eq!(cell("a=b"), "\"a=b\"");
    }
}
