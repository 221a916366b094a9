-- What a database shell moves with UPDATE, a membership or a permission, is told of as what is given and taken: both users where it goes from one to another.
CREATE TRIGGER user_group_moved AFTER UPDATE ON user_groups
BEGIN
    INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', NEW.user_id);
    INSERT INTO changes (at, kind, subject) SELECT unixepoch() * 1000000, 'user_changed', OLD.user_id WHERE OLD.user_id <> NEW.user_id;
END;
CREATE TRIGGER user_permission_moved AFTER UPDATE ON user_permissions
BEGIN
    INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', NEW.user_id);
    INSERT INTO changes (at, kind, subject) SELECT unixepoch() * 1000000, 'user_changed', OLD.user_id WHERE OLD.user_id <> NEW.user_id;
END;
CREATE TRIGGER group_permission_moved AFTER UPDATE ON group_permissions
BEGIN INSERT INTO changes (at, kind) VALUES (unixepoch() * 1000000, 'all_users_changed'); END;

CREATE TRIGGER hook_user_group_moved AFTER UPDATE ON user_groups
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'user.changed', id, json_object('user', json(told)) FROM hook_users
    WHERE id IN (OLD.user_id, NEW.user_id) AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'user.changed');
END;
