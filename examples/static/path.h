/*
 * From the target of a request to the name of a file below the root, and back to a URL.
 */
#ifndef STATIC_PATH_H
#define STATIC_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_BYTES 2048

struct path {
    char name[PATH_BYTES]; /* relative, "" for the root: words, one slash between two of them */
    bool folder;           /* it ended with a slash: a folder is meant */
    const char *query;     /* in the target: "?..." or "" */
};

/*
 * Reads a target: "/path?query", or the same behind "http://host". What is percent-encoded is
 * decoded. Returns 200; 400 for what is malformed or has a NUL in it; 403 for a word that begins
 * with a dot, as "..", "." and hidden files do; 414 when it is too long.
 */
int path_parse(struct path *out, const char *target);

/* Appends a word to the name. Returns whether there is room. */
bool path_append(struct path *path, const char *word);

/* Writes "/name/" with the query, as a URL of this server: it cannot be read as one of another.
 * Returns whether there is room. */
bool path_folder_url(char *out, size_t size, const struct path *path);

#endif
