-- The index of trigrams that the admin site's search asks: every three characters of a user's names and
-- address, without their places. It holds no text; what is found is compared with the row. A program with
-- SQLite 3.34 or newer keeps it right too when it changes a user.
CREATE VIRTUAL TABLE users_text USING fts5(text, content = '', detail = 'none', tokenize = 'trigram');
INSERT INTO users_text (rowid, text)
SELECT id, coalesce(username_folded, username) || char(10) || lower(email) || char(10) || lower(first_name) || char(10) || lower(last_name)
FROM users;

CREATE TRIGGER user_text_added AFTER INSERT ON users
BEGIN
    INSERT INTO users_text (rowid, text) VALUES (
        NEW.id,
        coalesce(NEW.username_folded, NEW.username) || char(10) || lower(NEW.email) || char(10) || lower(NEW.first_name) || char(10)
            || lower(NEW.last_name)
    );
END;
CREATE TRIGGER user_text_changed AFTER UPDATE OF id, username, username_folded, email, first_name, last_name ON users
BEGIN
    INSERT INTO users_text (users_text, rowid, text) VALUES (
        'delete',
        OLD.id,
        coalesce(OLD.username_folded, OLD.username) || char(10) || lower(OLD.email) || char(10) || lower(OLD.first_name) || char(10)
            || lower(OLD.last_name)
    );
    INSERT INTO users_text (rowid, text) VALUES (
        NEW.id,
        coalesce(NEW.username_folded, NEW.username) || char(10) || lower(NEW.email) || char(10) || lower(NEW.first_name) || char(10)
            || lower(NEW.last_name)
    );
END;
CREATE TRIGGER user_text_removed AFTER DELETE ON users
BEGIN
    INSERT INTO users_text (users_text, rowid, text) VALUES (
        'delete',
        OLD.id,
        coalesce(OLD.username_folded, OLD.username) || char(10) || lower(OLD.email) || char(10) || lower(OLD.first_name) || char(10)
            || lower(OLD.last_name)
    );
END;
