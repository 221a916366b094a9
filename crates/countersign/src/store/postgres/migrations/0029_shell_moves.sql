-- What a database shell moves with UPDATE, a membership or a permission, is told of as what is given and taken: both users where it goes from one to another. Triggers of their own, because making one lets others read the table meanwhile, and dropping one does not.
CREATE FUNCTION user_moved() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changes (at, kind, subject) VALUES (now_micros(), 'user_changed', NEW.user_id::text);
    IF OLD.user_id <> NEW.user_id THEN
        INSERT INTO changes (at, kind, subject) VALUES (now_micros(), 'user_changed', OLD.user_id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER user_group_moved AFTER UPDATE ON user_groups FOR EACH ROW EXECUTE FUNCTION user_moved();
CREATE TRIGGER user_permission_moved AFTER UPDATE ON user_permissions FOR EACH ROW EXECUTE FUNCTION user_moved();
CREATE TRIGGER group_permission_moved AFTER UPDATE ON group_permissions FOR EACH STATEMENT EXECUTE FUNCTION something_changed('all_users_changed');

CREATE FUNCTION hook_user_groups_moved() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    whom text;
    shown json;
BEGIN
    IF is_hook_wanted('user.changed') THEN
        FOR whom IN SELECT DISTINCT id::text FROM unnest(ARRAY[OLD.user_id, NEW.user_id]) AS id LOOP
            shown := hook_user(whom);
            IF shown IS NOT NULL THEN
                PERFORM tell_hooks('user.changed', whom, json_build_object('user', shown));
            END IF;
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER hook_user_groups_moved AFTER UPDATE ON user_groups FOR EACH ROW EXECUTE FUNCTION hook_user_groups_moved();
