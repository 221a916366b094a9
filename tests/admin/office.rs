//! An office: a world with a superuser in it, who makes operators.

use countersign_e2e::{Desk, Response, TestServer, input};

/// A superuser's desk in a new world.
pub(crate) fn office() -> (TestServer, Desk) {
    furnish(TestServer::start())
}

/// A superuser's desk in this world.
pub(crate) fn furnish(world: TestServer) -> (TestServer, Desk) {
    world.superuser("root");
    let mut root = world.desk();
    root.sign_in("root").sends_to("/admin/");
    (world, root)
}

/// Makes somebody of the staff who has these permissions, and signs them in.
pub(crate) fn operator(
    world: &TestServer,
    root: &mut Desk,
    name: &str,
    permissions: &[&str],
) -> Desk {
    let id = world.user(name);
    edit(root, id, &[("is_staff", "on")]).sends_to(&format!("/admin/users/{id}/?said=saved"));
    if !permissions.is_empty() {
        let ids: Vec<String> =
            permissions.iter().map(|name| permission(root, name).to_string()).collect();
        grant(root, id, &ids.iter().map(|id| ("permissions", id.as_str())).collect::<Vec<_>>())
            .sends_to(&format!("/admin/users/{id}/access?said=access"));
    }
    let mut desk = world.desk();
    desk.sign_in(name).sends_to("/admin/");
    desk
}

/// Sends a user's form as it is, with these fields in place of those of the same name.
pub(crate) fn edit(desk: &mut Desk, id: i64, changes: &[(&str, &str)]) -> Response {
    let page = desk.get(&format!("/admin/users/{id}/")).expect(200).text();
    let mut fields = form_of(&page);
    fields.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain(changes.iter().copied())
        .collect();
    // An empty box is one that is not ticked.
    let fields: Vec<_> = fields
        .into_iter()
        .filter(|(name, value)| !(name.starts_with("is_") && value.is_empty()))
        .collect();
    desk.post(&format!("/admin/users/{id}/"), &fields)
}

/// The fields of a user's form, filled in as the page shows them.
pub(crate) fn form_of(page: &str) -> Vec<(String, String)> {
    let value = |name: &str| {
        let field = page
            .split("<input")
            .find(|field| field.contains(&format!(" name=\"{name}\"")))
            .unwrap_or_default();
        let text = field
            .split_once(" value=\"")
            .map(|(_, rest)| rest.split('"').next().unwrap_or_default().to_owned());
        text.unwrap_or_default()
    };
    let mut fields: Vec<(String, String)> =
        ["seen", "username", "email", "first_name", "last_name"]
            .map(|name| (name.to_owned(), value(name)))
            .into();
    if input(page, "flags").is_some() {
        fields.push(("flags".to_owned(), "1".to_owned()));
    }
    for name in ["is_active", "is_staff", "is_superuser"] {
        if page.contains(&format!("name=\"{name}\" value=\"on\" checked")) {
            fields.push((name.to_owned(), "on".to_owned()));
        }
    }
    let metadata = page
        .split_once("</textarea>")
        .and_then(|(before, _)| before.rsplit_once('>'))
        .map(|(_, text)| text.trim());
    fields.push((
        "metadata".to_owned(),
        metadata.unwrap_or("{}").replace("&quot;", "\"").replace("&#34;", "\""),
    ));
    fields
}

/// Sends the form of a user's groups and permissions.
pub(crate) fn grant(desk: &mut Desk, id: i64, choices: &[(&str, &str)]) -> Response {
    let path = format!("/admin/users/{id}/access");
    let seen = input(&desk.get(&path).expect(200).text(), "seen").unwrap();
    let fields: Vec<_> =
        std::iter::once(("seen", seen.as_str())).chain(choices.iter().copied()).collect();
    desk.post(&path, &fields)
}

/// The id of the permission of this name.
pub(crate) fn permission(desk: &mut Desk, name: &str) -> i64 {
    let (_, codename) = name.split_once('.').unwrap();
    let page = desk.get(&format!("/admin/permissions/?q={codename}")).expect(200).text();
    let (before, _) = page
        .split_once(&format!("<code>{name}</code>"))
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    let (_, id) = before.rsplit_once("/admin/permissions/").unwrap();
    id.split('/').next().unwrap().parse().unwrap()
}

/// Makes a group with these permissions; its id.
pub(crate) fn group(desk: &mut Desk, name: &str, permissions: &[i64]) -> i64 {
    desk.get("/admin/groups/add").expect(200);
    let ids: Vec<String> = permissions.iter().map(i64::to_string).collect();
    let fields: Vec<_> = std::iter::once(("name", name))
        .chain(ids.iter().map(|id| ("permissions", id.as_str())))
        .collect();
    let answer = desk.post("/admin/groups/add", &fields);
    let place = answer.header("location").unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
    place.trim_start_matches("/admin/groups/").split('/').next().unwrap().parse().unwrap()
}
