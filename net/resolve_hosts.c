/*
 * The hosts file, see hosts(5). Its text is kept and searched; a file that has changed is read
 * again. Who stands in it has the addresses that stand there and no others.
 */
#include "net/resolve.h"

#include "core/alloc.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a larger file the beginning counts. */
#define HOSTS_BYTES_MAX ((off_t)8 << 20)

static const char blanks[] = " \t\r\n";

struct aio__stamp aio__stamp_read(const char *path)
{
    struct stat at;
    if (stat(path, &at) < 0)
        return (struct aio__stamp){.size = 0};
    return (struct aio__stamp){at.st_dev, at.st_ino, at.st_size, at.st_mtim};
}

bool aio__stamp_same(const struct aio__stamp *left, const struct aio__stamp *right)
{
    return left->device == right->device && left->inode == right->inode &&
           left->size == right->size && left->changed.tv_sec == right->changed.tv_sec &&
           left->changed.tv_nsec == right->changed.tv_nsec;
}

int aio__file_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 || errno == EMFILE || errno == ENFILE || errno == ENOMEM)
        return fd >= 0 ? fd : -errno;
    return AIO__FILE_ABSENT;
}

void aio__hosts_free(struct aio__hosts *hosts)
{
    aio__free(hosts->text);
    *hosts = (struct aio__hosts){.text = NULL};
}

/* Returns the bytes, or as aio__file_open. What cannot be read has nothing. */
static ssize_t hosts_read(const char *path, char *text, size_t size)
{
    size_t length = 0;
    ssize_t n = 1;
    int fd = aio__file_open(path);
    if (fd < 0)
        return fd == AIO__FILE_ABSENT ? 0 : fd;
    while (length < size && n > 0) {
        n = read(fd, text + length, size - length); /* tidy: allow read: no wait */
        length += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd); /* tidy: allow close: no op has used it */
    return (ssize_t)length;
}

static int hosts_load(struct aio__hosts *hosts, const char *path)
{
    struct aio__stamp stamp = aio__stamp_read(path);
    if (aio__stamp_same(&stamp, &hosts->stamp))
        return 0;
    size_t size = (size_t)(stamp.size < HOSTS_BYTES_MAX ? stamp.size : HOSTS_BYTES_MAX);
    char *text = aio__alloc(size + 1);
    if (text == NULL)
        return -ENOMEM;
    ssize_t length = hosts_read(path, text, size);
    if (length < 0) { /* it is read at the next lookup */
        aio__free(text);
        return (int)length;
    }
    text[length] = '\0';
    aio__hosts_free(hosts);
    *hosts = (struct aio__hosts){text, stamp};
    return 0;
}

/* The next word of the line, which ends at end. Moves *at behind it. */
static size_t hosts_word(const char **at, const char *end, const char **word)
{
    while (*at < end && strchr(blanks, **at) != NULL)
        (*at)++;
    *word = *at;
    while (*at < end && strchr(blanks, **at) == NULL)
        (*at)++;
    return (size_t)(*at - *word);
}

static bool hosts_line_names(const char *at, const char *end, const char *host)
{
    const char *word;
    size_t length, wanted = strlen(host);
    if (host[wanted - 1] == '.')
        wanted--;
    while ((length = hosts_word(&at, end, &word)) > 0)
        if (length == wanted && strncasecmp(word, host, length) == 0)
            return true;
    return false;
}

/* Returns whether the line names the host. */
static bool hosts_line(const char *at, const char *end, const char *host,
                       struct aio__answer answers[2])
{
    union aio__host address;
    const char *word;
    char text[INET6_ADDRSTRLEN];
    size_t length = hosts_word(&at, end, &word);
    if (length == 0 || length >= sizeof text || !hosts_line_names(at, end, host))
        return false;
    memcpy(text, word, length);
    text[length] = '\0';
    for (int i = 0; i < 2; i++)
        if (inet_pton(answers[i].family, text, &address) == 1) {
            if (answers[i].pending)
                aio__answer_add(&answers[i], &address);
            return true;
        }
    return false;
}

int aio__hosts_find(struct aio__hosts *hosts, const char *path, const char *host,
                    struct aio__answer answers[2])
{
    bool found = false;
    int rc = hosts_load(hosts, path);
    if (rc < 0)
        return rc;
    for (const char *at = hosts->text; at != NULL && *at != '\0';) {
        const char *next = at + strcspn(at, "\n");
        found |= hosts_line(at, at + strcspn(at, "#\n"), host, answers);
        at = *next != '\0' ? next + 1 : next;
    }
    return found;
}
