/*
 * Opening a directory, for those who keep it open.
 */
#ifndef AIO_FS_DIRECTORY_H
#define AIO_FS_DIRECTORY_H

/* On the pool. Returns a descriptor, or -errno. */
int aio__directory_open(int at, const char *path);

#endif
