/*
 * Paths: a name that is accepted stays below the root, and the URL that is made of it is a path of
 * this server that leads to the same name.
 */
#include "tests/fuzz/fuzz.h"

#include "examples/static/path.c"

static void check_name(const char *name)
{
    FUZZ_CHECK(name[0] != '/' && strstr(name, "//") == NULL);
    for (const char *word = name; word != NULL; word = strchr(word, '/')) {
        word += *word == '/';
        FUZZ_CHECK(*word != '.');
    }
}

static void check_url(const struct path *path)
{
    char url[3 * PATH_BYTES];
    struct path again;
    if (!path_folder_url(url, sizeof url, path))
        return;
    FUZZ_CHECK(url[0] == '/' && url[1] != '/' && strpbrk(url, "\r\n #") == NULL);
    FUZZ_CHECK(memchr(url, '\\', strcspn(url, "?")) == NULL);
    FUZZ_CHECK(path_parse(&again, url) == 200);
    FUZZ_CHECK(again.folder && strcmp(again.name, path->name) == 0);
    FUZZ_CHECK(strcmp(again.query, path->query) == 0);
}

FUZZ_TARGET(http_path)
{
    struct path path;
    char *text = fuzz_text(data, size);
    int status = path_parse(&path, text);
    FUZZ_CHECK(status == 200 || status == 400 || status == 403 || status == 414);
    if (status == 200) {
        check_name(path.name);
        check_url(&path);
        if (path_append(&path, "index.html"))
            check_name(path.name);
    }
    free(text);
    return 0;
}
