import { Controller, Post, UploadedFile, UseGuards, UseInterceptors } from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import { createHash } from 'node:crypto';
import { JwtGuard } from './auth/jwt.strategy';

@Controller({ path: 'files', version: '1' })
export class FilesLocalController {
  @Post('upload')
  @UseGuards(JwtGuard)
  @UseInterceptors(FileInterceptor('file', { limits: { fileSize: 1024 } }))
  upload(@UploadedFile() file: Express.Multer.File) {
    const id = createHash('sha256').update(file.buffer).digest('hex').slice(0, 12);
    return { file: { id, path: `/api/v1/files/${id}` } };
  }
}
