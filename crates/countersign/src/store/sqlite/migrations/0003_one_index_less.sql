-- A user's sessions, ended or not, are found by sessions_of_user. A login writes one page less.
DROP INDEX sessions_user;
