import { ApiProperty } from '@nestjs/swagger';
import { IsEmail, IsOptional, MinLength } from 'class-validator';

export class LoginDto {
  @ApiProperty() @IsEmail() email!: string;
  @ApiProperty() @MinLength(6) password!: string;
}

export class RegisterDto extends LoginDto {
  @ApiProperty() @IsOptional() firstName?: string;
}

export class UpdateDto {
  @ApiProperty() @IsOptional() firstName?: string;
  @ApiProperty() @IsOptional() @MinLength(6) password?: string;
}
