/*
 * Reading of paths, see path.h.
 */
#include "examples/static/path.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_visible(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f;
}

/* The next byte of the path, decoded; -1 for a bad one. Moves *at behind it. */
static int next_byte(const char **at)
{
    char c = *(*at)++;
    if (c != '%')
        return is_visible(c) ? (unsigned char)c : -1;
    int high = hex_digit((*at)[0]), low = high < 0 ? -1 : hex_digit((*at)[1]);
    if (low < 0 || high * 16 + low == 0)
        return -1;
    *at += 2;
    return high * 16 + low;
}

/* Behind the scheme and the host, if they stand there. */
static const char *skip_host(const char *target)
{
    bool absolute = strncasecmp(target, "http://", 7) == 0;
    return absolute ? target + 7 + strcspn(target + 7, "/?#") : target;
}

int path_parse(struct path *out, const char *target)
{
    const char *at = skip_host(target);
    size_t length = 0;
    *out = (struct path){.folder = true, .query = ""};
    if (*at != '/' && (at == target || *at == '#'))
        return 400;
    while (*at != '\0' && *at != '?') {
        int byte = *at == '#' ? -1 : next_byte(&at);
        if (byte < 0)
            return 400;
        if (byte != '/') {
            if (out->folder && byte == '.')
                return 403;
            if (length + 2 >= sizeof out->name)
                return 414;
            if (out->folder && length > 0)
                out->name[length++] = '/';
            out->name[length++] = (char)byte;
        }
        out->folder = byte == '/';
    }
    out->name[length] = '\0';
    out->query = at;
    for (; *at != '\0'; at++)
        if (!is_visible(*at) || *at == '#')
            return 400;
    return 200;
}

bool path_append(struct path *path, const char *word)
{
    size_t length = strlen(path->name), room = sizeof path->name - length;
    int rest = snprintf(path->name + length, room, "%s%s", length > 0 ? "/" : "", word);
    return rest >= 0 && (size_t)rest < room;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/!$&'()*+,;=:@", c) != NULL);
}

bool path_folder_url(char *out, size_t size, const struct path *path)
{
    size_t length = 0;
    if (size < 4)
        return false;
    out[length++] = '/';
    for (const char *at = path->name; *at != '\0'; at++) {
        if (length + 4 > size)
            return false;
        if (is_plain(*at))
            out[length++] = *at;
        else
            length += (size_t)snprintf(out + length, 4, "%%%02X", (unsigned)(unsigned char)*at);
    }
    int rest = snprintf(out + length, size - length, "%s%s", length > 1 ? "/" : "", path->query);
    return rest >= 0 && (size_t)rest < size - length;
}
