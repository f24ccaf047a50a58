/* sqlite_parts.c: full-text search and R-trees are left out of the SQLite that is linked into the program.
 *
 * When a connection is opened, SQLite calls the initializers of all the extensions that it was built with, and so a linker takes them
 * in: FTS3, FTS5 and the R-tree are 330 KB, a ninth of the program, and each connection registers them. No table of a store uses one.
 * These definitions are found before the archive's, whose objects then stay where they are (src/cli/meson.build tries whether they can:
 * an archive with all of SQLite in one object has them twice). They are in the program only, never in libreeve.a, whose users have an
 * SQLite of their own. `… from fts5(…)` is told `no such module: fts5`, as SQLite says of any that it lacks.
 *
 * Source: sqlite3BuiltinExtensions in main.c of SQLite 3.40. */
struct sqlite3;

/* The initializer of an extension: it registers nothing and has succeeded (0, SQLITE_OK). */
#define LEFT_OUT(name_)                      \
    int name_(struct sqlite3 *connection);   \
    int name_(struct sqlite3 *connection)    \
    {                                        \
        return 0;                            \
    }

LEFT_OUT(sqlite3Fts3Init)
LEFT_OUT(sqlite3Fts5Init)
LEFT_OUT(sqlite3RtreeInit)
