//! What the page of a user's security says, in German.

/// Every sentence of the page and of what the endpoints answer to it.
pub(in crate::serve::account) const GERMAN: &[(&str, &str)] = &[
    // The login.
    ("Security", "Sicherheit"),
    ("Log in to your account", "Melden Sie sich bei Ihrem Konto an"),
    ("Log in with a passkey", "Mit einem Passkey anmelden"),
    (
        "The browser gave no passkey. Try again.",
        "Der Browser hat keinen Passkey herausgegeben. Versuchen Sie es noch einmal.",
    ),
    ("Your second factor", "Ihr zweiter Faktor"),
    ("Code of your app, or a recovery code", "Code Ihrer App oder ein Wiederherstellungscode"),
    ("Recovery code", "Wiederherstellungscode"),
    ("Use your passkey", "Passkey verwenden"),
    ("Is it you?", "Sind Sie es?"),
    (
        "This needs a fresh login. Prove that it is you, and do it again.",
        "Dafür müssen Sie sich gerade erst angemeldet haben. Zeigen Sie, dass Sie es sind, und \
         tun Sie es dann noch einmal.",
    ),
    ("It is me", "Ich bin es"),
    ("Back", "Zurück"),
    (
        "You were logged out. Log in again.",
        "Sie wurden abgemeldet. Melden Sie sich noch einmal an.",
    ),
    // An authenticator app.
    ("Add an authenticator app", "Eine Authenticator-App hinzufügen"),
    (
        "Read the picture with your app, or type the secret in. Then write the code that it shows.",
        "Lesen Sie das Bild mit Ihrer App, oder tippen Sie das Geheimnis ein. Schreiben Sie dann \
         den Code, den sie zeigt.",
    ),
    (
        "Write the code that your app shows now.",
        "Schreiben Sie den Code, den Ihre App jetzt zeigt.",
    ),
    ("Open the app on this device", "Die App auf diesem Gerät öffnen"),
    ("Code", "Code"),
    ("Add it", "Hinzufügen"),
    ("Not now", "Nicht jetzt"),
    // Recovery codes.
    ("Your recovery codes", "Ihre Wiederherstellungscodes"),
    (
        "Each is good once, for when your device is lost. Keep them where you find them without \
         it. They are shown this once.",
        "Jeder gilt einmal, für den Fall, dass Ihr Gerät verloren geht. Bewahren Sie sie dort \
         auf, wo Sie sie ohne das Gerät finden. Sie werden nur dieses eine Mal gezeigt.",
    ),
    ("Save them as a file", "Als Datei speichern"),
    ("I have them", "Ich habe sie"),
    ("Recovery codes", "Wiederherstellungscodes"),
    ("Left: {}.", "Übrig: {}."),
    ("Make new ones", "Neue machen"),
    // The account.
    (
        "This account must have a second factor. Add one.",
        "Dieses Konto muss einen zweiten Faktor haben. Fügen Sie einen hinzu.",
    ),
    ("You are logged in as {}.", "Sie sind angemeldet als {}."),
    ("Second factors", "Zweite Faktoren"),
    ("Passkey", "Passkey"),
    ("Authenticator app", "Authenticator-App"),
    ("Name", "Name"),
    ("Name it", "Benennen"),
    ("Remove it", "Entfernen"),
    (
        "You have none. With one, a password that somebody else knows does not let them in.",
        "Sie haben keinen. Mit einem kommt niemand herein, der nur Ihr Passwort kennt.",
    ),
    ("Name of a new passkey", "Name eines neuen Passkeys"),
    ("Add a passkey", "Einen Passkey hinzufügen"),
    ("Name of a new app", "Name einer neuen App"),
    ("since {}", "seit {}"),
    ("last used on {}", "zuletzt benutzt am {}"),
    ("never used", "nie benutzt"),
    ("bound to its device", "an sein Gerät gebunden"),
    ("its provider has a copy", "sein Anbieter hat eine Kopie"),
    ("on one device alone", "nur auf einem Gerät"),
    ("this page", "diese Seite"),
    ("Where you are logged in", "Wo Sie angemeldet sind"),
    ("Log it out", "Abmelden"),
    ("Log out everywhere else", "Überall sonst abmelden"),
    ("Leave this page", "Diese Seite verlassen"),
    // What was done.
    ("It is added.", "Es ist hinzugefügt."),
    ("It is logged out.", "Es ist abgemeldet."),
    ("It has its name.", "Es hat seinen Namen."),
    (
        "Your password is changed. Other devices were logged out.",
        "Ihr Passwort ist geändert. Andere Geräte wurden abgemeldet.",
    ),
    ("Thank you. Now do it again.", "Danke. Tun Sie es jetzt noch einmal."),
    (
        "It is removed. Other devices were logged out.",
        "Es ist entfernt. Andere Geräte wurden abgemeldet.",
    ),
    // What is wrong.
    (
        "This form came from another place. Send it from this page.",
        "Dieses Formular kam von anderswo. Senden Sie es von dieser Seite ab.",
    ),
    ("This cannot be done.", "Das geht nicht."),
    (
        "This cannot be done now. Try again in a minute.",
        "Das geht gerade nicht. Versuchen Sie es in einer Minute noch einmal.",
    ),
    (
        "This account is to be deleted. Go to /account/restore to keep it.",
        "Dieses Konto soll gelöscht werden. Gehen Sie zu /account/restore, um es zu behalten.",
    ),
    (
        "Too many attempts. Wait a while, and try again.",
        "Zu viele Versuche. Warten Sie eine Weile, und versuchen Sie es noch einmal.",
    ),
    (
        "Confirm your e-mail address first, by the link in the mail.",
        "Bestätigen Sie zuerst Ihre E-Mail-Adresse, durch den Link in der Mail.",
    ),
    (
        "No active user with this name and password was found.",
        "Es gibt kein aktives Konto mit diesem Namen und Passwort.",
    ),
    (
        "This code is not valid: it is wrong, or was used already. Try the next one.",
        "Dieser Code gilt nicht: Er ist falsch, oder er wurde schon benutzt. Versuchen Sie den \
         nächsten.",
    ),
    (
        "This code is not valid: it is wrong, or was used already.",
        "Dieser Code gilt nicht: Er ist falsch, oder er wurde schon benutzt.",
    ),
    ("This field may not be blank.", "Dieses Feld darf nicht leer sein."),
    (
        "This passkey was not accepted: it is not yours, or was asked too long ago.",
        "Dieser Passkey wurde nicht angenommen: Er ist nicht Ihrer, oder es wurde vor zu langer \
         Zeit nach ihm gefragt.",
    ),
    (
        "This passkey was not accepted: it is not known here, or was asked too long ago.",
        "Dieser Passkey wurde nicht angenommen: Er ist hier nicht bekannt, oder es wurde vor zu \
         langer Zeit nach ihm gefragt.",
    ),
    (
        "This passkey was not accepted: it was made for another page, too long ago, or without \
         its owner's finger or number. Try again.",
        "Dieser Passkey wurde nicht angenommen: Er wurde für eine andere Seite gemacht, vor zu \
         langer Zeit, oder ohne den Finger oder die Zahl, die zu ihm gehört. Versuchen Sie es \
         noch einmal.",
    ),
    ("This passkey is registered already.", "Dieser Passkey ist schon registriert."),
    (
        "You have 20 second factors. Remove one first.",
        "Sie haben 20 zweite Faktoren. Entfernen Sie zuerst einen.",
    ),
    (
        "This login is over: it took too long, was tried too often, or the account has changed. \
         Log in again.",
        "Diese Anmeldung ist vorbei: Sie hat zu lange gedauert, wurde zu oft versucht, oder das \
         Konto hat sich geändert. Melden Sie sich noch einmal an.",
    ),
    (
        "This is not the code that the app shows now. Is the clock of its device right?",
        "Das ist nicht der Code, den die App jetzt zeigt. Geht die Uhr ihres Geräts richtig?",
    ),
    (
        "No authenticator app waits to be confirmed. Begin anew.",
        "Keine Authenticator-App wartet auf ihre Bestätigung. Fangen Sie von vorn an.",
    ),
    (
        "This account must have a second factor. Enrol another one first.",
        "Dieses Konto muss einen zweiten Faktor haben. Fügen Sie zuerst einen anderen hinzu.",
    ),
    (
        "This account must have a second factor. Enrol one first.",
        "Dieses Konto muss einen zweiten Faktor haben. Fügen Sie zuerst einen hinzu.",
    ),
    (
        "Recovery codes stand in for a second factor. Enrol one first.",
        "Wiederherstellungscodes stehen für einen zweiten Faktor ein. Fügen Sie zuerst einen \
         hinzu.",
    ),
    ("This is not your password.", "Das ist nicht Ihr Passwort."),
    (
        "The password was changed meanwhile, and not by this request. Try again with the password \
         as it is now.",
        "Das Passwort wurde inzwischen geändert, und nicht hierdurch. Versuchen Sie es mit dem \
         Passwort, wie es jetzt ist.",
    ),
    ("You have no such factor.", "Einen solchen Faktor haben Sie nicht."),
    ("You have no such session.", "Eine solche Anmeldung haben Sie nicht."),
    (
        "It was changed meanwhile, and nothing was done. Look at what is there now, and try \
         again.",
        "Es wurde inzwischen geändert, und nichts wurde getan. Sehen Sie nach, was jetzt da ist, \
         und versuchen Sie es noch einmal.",
    ),
    ("Give the device a name.", "Geben Sie dem Gerät einen Namen."),
    (
        "A device's name has at most 100 characters.",
        "Der Name eines Geräts hat höchstens 100 Zeichen.",
    ),
    (
        "A device's name may hold no control character and no letter that nobody can see.",
        "Der Name eines Geräts darf kein Steuerzeichen enthalten und keinen Buchstaben, den \
         niemand sieht.",
    ),
];
