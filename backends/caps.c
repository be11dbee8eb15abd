/*
 * Capability tables and the reading of capability lists.
 */
#include "backends/caps.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define CAPS_ROW_URING(upper, lower, text) {#lower, AIO__URING_##upper},
#define CAPS_ROW_EV(upper, lower, text) {#lower, AIO__EV_##upper},

const struct aio__cap aio__uring_cap_table[] = {AIO__URING_CAPS(CAPS_ROW_URING){NULL, 0}};
const struct aio__cap aio__ev_cap_table[] = {AIO__EV_CAPS(CAPS_ROW_EV){NULL, 0}};

/* One word of a list. */
struct caps_word {
    const char *text;
    size_t length;
    bool minus;
};

static bool caps_next(const char **at, struct caps_word *word)
{
    *at += strspn(*at, ", ");
    if (**at == '\0')
        return false;
    word->minus = **at == '-';
    word->text = *at + (word->minus ? 1 : 0);
    word->length = strcspn(word->text, ", ");
    *at = word->text + word->length;
    return true;
}

static bool caps_word_is(const struct caps_word *word, const char *name)
{
    return strlen(name) == word->length && memcmp(word->text, name, word->length) == 0;
}

static uint32_t caps_find(const struct caps_word *word, const struct aio__cap *table)
{
    for (; table->name != NULL; table++)
        if (caps_word_is(word, table->name))
            return table->bit;
    return 0;
}

static uint32_t caps_all(const struct aio__cap *table)
{
    uint32_t mask = 0;
    for (; table->name != NULL; table++)
        mask |= table->bit;
    return mask;
}

uint32_t aio__caps_parse(const char *text, const struct aio__cap *table)
{
    struct caps_word word;
    bool first = true;
    uint32_t mask = caps_all(table);
    for (; caps_next(&text, &word); first = false) {
        if (caps_word_is(&word, "all")) {
            mask = caps_all(table);
        } else if (caps_word_is(&word, "none")) {
            mask = 0;
        } else if (word.minus) {
            mask &= ~caps_find(&word, table);
        } else {
            mask = (first ? 0 : mask) | caps_find(&word, table);
        }
    }
    return mask;
}

int aio__caps_check(const char *text, const char **unknown, int *length)
{
    struct caps_word word;
    while (caps_next(&text, &word)) {
        if (caps_word_is(&word, "all") || caps_word_is(&word, "none"))
            continue;
        if (caps_find(&word, aio__uring_cap_table) != 0 || caps_find(&word, aio__ev_cap_table) != 0)
            continue;
        *unknown = word.text;
        *length = (int)word.length;
        return -EINVAL;
    }
    return 0;
}
